package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/internal/testrandom"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// FuzzResolveAddr: what is an address is printed as one, which means the same. No name is looked
// up.
func FuzzResolveAddr(f *testing.F) {
	for _, address := range []string{"192.0.2.1/198.51.100.1:5868", "[2001:db8::1]/192.0.2.1:38412",
		":5868", "[fe80::1%1]:1", "[::ffff:192.0.2.1]:http", "a/:1"} {
		f.Add(uint8(0), address)
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	f.Fuzz(func(t *testing.T, n uint8, address string) {
		fuzzcount.Input(1 + len(address))
		network := []string{"sctp", "sctp4", "sctp6", "tcp"}[n%4]
		hostOf(address)
		a, err := ResolveAddr(canceled, network, address)
		if err != nil {
			return
		}
		for _, ip := range a.IPAddrs {
			if is4 := ip.IP.To4() != nil; network == "tcp" || network == "sctp4" && !is4 ||
				network == "sctp6" && is4 {
				t.Fatalf("%q is %v of network %s", address, ip, network)
			}
		}
		again, err := ResolveAddr(canceled, network, a.String())
		if err != nil || again.String() != a.String() || len(again.IPAddrs) != len(a.IPAddrs) {
			t.Fatalf("%q is %v, which is %v, %v", address, a, again, err)
		}
		if back := fromAddrPorts(addrPorts(a, network)); len(a.IPAddrs) > 0 &&
			back.String() != a.String() {
			t.Fatalf("%v came back from the socket layer as %v", a, back)
		}
	})
}

// FuzzDriver: one end of a connection sends what the input says in between, or sends otherwise what
// it has to send, and its association does what no association should. The other end reads nothing
// that was not written, no call of either waits forever, and every error is of a type that is
// documented. What the core does with records has targets of its own.
func FuzzDriver(f *testing.F) {
	pki()
	for kind := range byte(8) {
		f.Add([]byte{kind, 0, driverPass, 0})
		f.Add([]byte{kind, 7, driverStream, 1, 0, driverUnordered, 0, 1, driverPPID, 9, 2, driverFlip,
			30})
		f.Add([]byte{kind, 2, driverEvent, 0, 1, driverEvent, 1, 0, driverEvent, 2, 1, driverPart, 40, 9,
			driverEvent, 3})
		f.Add([]byte{kind, 6, driverRaw, 2, 1, driverRestart, 0})
		f.Add([]byte{kind, 9, driverAbort, 0})
		f.Add([]byte{kind, 4, driverLose, 0})
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		fuzzcount.Input(len(script))
		if len(script) == 0 {
			return
		}
		testrandom.Set(t, 1)
		bubble(t, func(t *testing.T) { driverConversation(t, script[0], script[1:]) })
	})
}

func driverConversation(t *testing.T, kind byte, script []byte) {
	client, server := clientConfig(), serverConfig()
	if kind&1 != 0 {
		psk := &PSK{Identity: []byte("client"), Key: []byte("0123456789abcdef")}
		client, server = &Config{GetPSK: func([]byte) (*PSK, error) { return psk, nil }},
			&Config{LookupPSK: func([]byte) (*PSK, error) { return psk, nil }}
	}
	version := uint16(VersionDTLS12)
	if kind&2 != 0 {
		version = VersionDTLS13
	}
	for _, c := range []*Config{client, server} {
		c.MinVersion, c.MaxVersion, c.Renegotiation = version, version, RenegotiateFreely
	}
	p := newTestPair(t, assoctest.Options{}, client, server)
	h := &rogueSender{own: p.clientSCTP, victim: p.sctp, script: script}
	rogue, victim := p.client, p.server
	if kind&4 != 0 {
		h.own, h.victim, rogue, victim = h.victim, h.own, victim, rogue
	}
	alter(rogue).send = h.send

	var wg sync.WaitGroup
	run := func(c *Conn, name, peer string) {
		wg.Go(func() {
			for b := make([]byte, 100); ; {
				n, _, err := c.ReadMessage(b)
				if err != nil {
					mustBeTyped(t, name+" reads", err)
					return
				}
				if !strings.HasPrefix(string(b[:n]), peer+" writes ") {
					t.Errorf("%s reads %q", name, b[:n])
				}
			}
		})
		wg.Go(func() {
			mustBeTyped(t, name+"'s handshake", c.Handshake())
			for i := range 4 {
				mustBeTyped(t, name+" writes", c.WriteMessage(fmt.Appendf(nil, "%s writes %d", name, i),
					MessageInfo{Stream: uint16(i)}))
				if i == 1 && c == rogue {
					mustBeTyped(t, "new keys", newKeys(c, version))
				}
			}
			time.Sleep(time.Minute)
			mustBeTyped(t, name+" closes", c.Close())
		})
	}
	run(rogue, "rogue", "victim")
	run(victim, "victim", "rogue")
	wg.Wait()
}

func newKeys(c *Conn, version uint16) error {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if version == VersionDTLS13 {
		return c.KeyUpdate(ctx, UpdateRequested)
	}
	return c.Renegotiate(ctx)
}

// mustBeTyped fails the test on an error that a caller could not tell from others.
func mustBeTyped(t *testing.T, what string, err error) {
	_, isAlert := errtype.As[*AlertError](err)
	_, isEnd := errtype.As[*AssociationError](err)
	_, isTimeout := errtype.As[net.Error](err)
	_, isTooLarge := errtype.As[*stream.MessageSizeError](err)
	if err == nil || isAlert || isEnd || isTimeout || isTooLarge || errors.Is(err, net.ErrClosed) ||
		errors.Is(err, io.EOF) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	t.Errorf("%s: an error of no known type: %v", what, err)
}

// A rogueSender is what is done to the association whenever its end sends. Each step is three
// bytes: how many messages pass before it, what, and a number.
type rogueSender struct {
	own, victim *assoctest.Assoc
	script      []byte
	sent        byte
}

const (
	driverPass      = iota
	driverStream    // the message goes to another stream
	driverUnordered // or comes unordered
	driverPPID      // or has another identifier
	driverFlip      // or another byte
	driverRaw       // another message arrives before it: as many bytes of the script, or too many
	driverPart      // a message of which the rest never comes
	driverEvent     // something that the association tells
	driverAbort
	driverRestart
	driverLose
	driverSteps
)

func (h *rogueSender) send(record []byte, info stream.Info) stream.Info {
	for ; len(h.script) >= 3 && h.sent >= h.script[0]; h.sent = 0 {
		what, n := h.script[1]%driverSteps, int(h.script[2])
		h.script = h.script[3:]
		switch what {
		case driverStream:
			info.Stream = uint16(n % 10)
		case driverUnordered:
			info.Unordered = true
		case driverPPID:
			info.PPID = uint32(n)
		case driverFlip:
			record[n%len(record)] ^= byte(1 + n)
		case driverRaw:
			raw := h.script[:min(n, len(h.script))]
			if n == 255 {
				raw = make([]byte, stream.MaxMessageSize+1)
			}
			h.victim.InjectPart(raw, stream.Info{Stream: uint16(n % 2), Unordered: n%4 > 1}, true)
		case driverPart:
			h.victim.InjectPart(make([]byte, n), stream.Info{}, false)
			h.victim.Inject(stream.PartialDeliveryAborted{})
		case driverEvent:
			h.victim.Inject([]stream.Event{stream.Dry{}, stream.PartialDeliveryAborted{},
				stream.PeerShutdown{}, stream.ErrorReceived{}}[n%4])
		case driverAbort:
			h.own.Abort()
		case driverRestart:
			h.own.Restart()
		case driverLose:
			h.own.Cut()
		}
	}
	h.sent++
	return info
}
