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

// Limits bound what a [Service] takes. The zero value of a field is its default.
type Limits struct {
	// Associations is how many there are at the same time; 4096. Further ones are refused.
	Associations int
	// Handshakes is how many may be under way, those that wait for a daemon included: 1024 at a
	// server, and with one host a quarter of that; 64 at a client, whose further associations wait.
	Handshakes, HandshakesPerHost int
	// Streams is how many streams an association may have in each direction, at each end; 1024.
	// Within that an association has as many as the daemon or the peer offers. Each costs the
	// kernel some 40 bytes.
	Streams uint16
	// Buffer is the size in bytes of the socket's buffers for each direction, at each end; 256 KiB, or
	// as much as two messages have that are as large as they may be.
	// What a receiver does not take stops the sender when they are full, and four times as much in
	// this process.
	Buffer int
	// Message is how many bytes a message may have, of the daemon and of the peer; 16,384, which is
	// all that RFC 6083 carries. A connection carries more if it is one of DTLS 1.3 whose peer takes
	// more too. Buffers have to hold a message.
	Message int
	// Handshake bounds the setting up of a connection, handshake and association with the daemon
	// included; 10 s.
	Handshake time.Duration
	// Drain bounds the end of associations when the service is told to stop; 5 s.
	Drain time.Duration
	// Probe is the longest time between two looks whether a target that was not reachable is so
	// again; 10 s.
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

// large reports whether messages may be larger than RFC 6083 has them.
func (l Limits) large() bool { return l.Message > sctpdtls.MaxMessageSize }

// checkBuffers says what has to be done where the kernel does not let buffers be as large as the
// largest message. Else only the first association would fail, for the process gives up what lets
// it have larger ones.
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
			return fmt.Errorf("messages of %d bytes do not fit into socket buffers: "+
				"set the sysctl net.core.%s to %d or more, which is %d", l.Message, name, need, most)
		}
	}
	return nil
}
