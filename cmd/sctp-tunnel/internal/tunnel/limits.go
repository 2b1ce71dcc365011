package tunnel

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Limits limit the resources of a [Service]. The zero value of a field means its default.
type Limits struct {
	// Associations is the largest number of simultaneous associations; default 4096. Others are
	// refused.
	Associations int
	// Handshakes is the largest number of simultaneous handshakes, including those that wait for a
	// daemon. The default is 1024 for a server, of which a quarter with one host, and 64 for a
	// client, whose further associations wait.
	Handshakes, HandshakesPerHost int
	// Streams is the largest number of streams of an association in each direction, on each side;
	// default 1024. Within that limit an association has as many as the daemon or the peer
	// requests. The kernel uses about 40 bytes per stream.
	Streams uint16
	// Buffer is the size in bytes of each socket buffer on each side; the default is 256 KiB, or
	// twice Message if that is more. A receiver that does not read stops the sender when its buffer
	// is full, and four times as much is buffered in this process.
	Buffer int
	// Message is the largest size in bytes of a message from the daemon or the peer; default
	// 16,384, which is the limit of RFC 6083. Larger messages require DTLS 1.3 and a peer that
	// supports them. Socket buffers must hold a message.
	Message int
	// Handshake limits the time to set up a connection, including the handshake and the association
	// with the daemon; default 10 s.
	Handshake time.Duration
	// Drain limits how long associations may take to end when the service is stopped; default 5 s.
	Drain time.Duration
	// Probe is the longest time between two attempts to reach an unreachable target; default 10 s.
	Probe time.Duration
}

// withDefaults returns the limits of a service with that role.
func (l Limits) withDefaults(role Role) Limits {
	l.Associations = cmp.Or(l.Associations, 4096)
	if role == Client {
		l.Handshakes = cmp.Or(l.Handshakes, 64)
	} else {
		l.Handshakes = cmp.Or(l.Handshakes, 1024)
		l.HandshakesPerHost = cmp.Or(l.HandshakesPerHost, max(1, l.Handshakes/4))
	}
	l.Streams = cmp.Or(l.Streams, 1024)
	l.Message = cmp.Or(l.Message, sctpdtls.MaxMessageSize)
	l.Buffer = cmp.Or(l.Buffer, max(256<<10, 2*l.Message))
	l.Handshake = cmp.Or(l.Handshake, 10*time.Second)
	l.Drain = cmp.Or(l.Drain, 5*time.Second)
	l.Probe = cmp.Or(l.Probe, 10*time.Second)
	return l
}

// large reports whether messages may be larger than in RFC 6083.
func (l Limits) large() bool { return l.Message > sctpdtls.MaxMessageSize }

// checkBuffers reports what to do if the kernel does not allow socket buffers that hold the largest
// message. Otherwise only the first association would fail, because the process gives up the
// capability to exceed the kernel's limits.
func (l Limits) checkBuffers() error {
	if !l.large() {
		return nil
	}
	for _, name := range []string{"rmem_max", "wmem_max"} {
		text, err := os.ReadFile("/proc/sys/net/core/" + name)
		if err != nil {
			continue
		}
		most, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if need := l.Message + dtlscore.MaxOverhead; err == nil && most < need {
			return fmt.Errorf("messages of %d bytes do not fit into socket buffers of %d: set "+
				"the sysctl net.core.%s to %d or more", l.Message, most, name, need)
		}
	}
	return nil
}
