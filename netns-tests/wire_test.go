//go:build kernel

package netns

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// TestWireEcho captures the packets of sctp-echo, and checks with nothing but the client's key log
// that
//
//   - DATA chunks of the handshake have key identifier 0, and all later ones 1, each with the
//     correct HMAC; in DTLS 1.3 the client's second flight belongs to the later ones,
//   - each message is one valid record, and the applications sent what they should have sent, none
//     of it in the clear,
//   - no endpoint waited for a timer in the handshake and at the end.
//
// The hosts:
//
//	client ──── server, captured at the server
func TestWireEcho(t *testing.T) { // RFC 6083, Sections 4.1, 4.4, 4.8 and 4.9; RFC 7053
	client, server := NewPair(t)
	certs := t.TempDir()
	client.Run(t, "sctp-echo", "certs", "-host", server.Addrs[0].String(), certs)
	for _, tt := range []struct {
		name           string
		suite          uint16
		count, streams int
		size           int
		arguments      []string
	}{
		{"AES-128-GCM", 0xc02b, 20, 4, 64, nil},
		{"AES-256-GCM", 0xc02c, 20, 4, 100, []string{"-unordered", "-group", "P-384", "-group", "P-256"}},
		{"ChaCha20-Poly1305", 0xcca9, 20, 4, 100, []string{"-ppid", "47", "-group", "P-256"}},
		{"largest messages", 0xc02b, 8, 2, 16384, nil},
		{"one message", 0xc02b, 1, 1, 17, nil},
		{"DTLS 1.3", 0x1301, 20, 4, 64, nil},
		{"DTLS 1.3, other groups", 0x1302, 20, 4, 100, []string{"-unordered", "-group", "P-384"}},
		{"DTLS 1.3, largest messages", 0x1303, 8, 2, 16384, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			arguments := append(echoArguments(tt.suite, tt.count, tt.streams, tt.size), tt.arguments...)
			frames, keyLog := captureEcho(t, client, server, certs, nil, arguments)
			a := checkCapture(t, frames, wire.Options{KeyLog: keyLog})
			if a.DTLS == nil || len(a.DTLS.Handshakes) != 1 || a.DTLS.Handshakes[0].Suite != tt.suite {
				t.Fatalf("negotiated: %+v", a.DTLS)
			}
			checkKeys(t, a)
			checkEchoes(t, a, tt.count, tt.streams, tt.size)
			checkTimers(t, a)
		})
	}
}

// echoArguments returns the arguments of sctp-echo connect.
func echoArguments(suite uint16, count, streams, size int) []string {
	version := "1.2"
	if suite>>8 == 0x13 { // RFC 8446, Appendix B.4
		version = "1.3"
	}
	return []string{"-min", version, "-max", version, "-suite", fmt.Sprintf("%#04x", suite),
		"-count", fmt.Sprint(count), "-streams", fmt.Sprint(streams), "-size", fmt.Sprint(size)}
}

// captureEcho runs a server for one client, and the client, with these arguments.
func captureEcho(t *testing.T, client, server *Host, certs string, ofServer,
	ofClient []string) (frames []wire.Frame, keyLog []byte) {
	t.Helper()
	c := startCapture(t, server)
	pem := func(name string) string { return filepath.Join(certs, name+".pem") }
	address := server.Addrs[0].String() + ":5868"
	s := server.Start(t, "sctp-echo", append(append([]string{"serve", "-once", "1",
		"-cert", pem("server"), "-key", pem("server-key"), "-ca", pem("ca")}, ofServer...), address)...)
	s.WaitFor(`listening on`)
	log := filepath.Join(t.TempDir(), "keylog")
	client.Run(t, "env", append([]string{"SSLKEYLOGFILE=" + log, "sctp-echo", "connect",
		"-cert", pem("client"), "-key", pem("client-key"), "-ca", pem("ca")},
		append(ofClient, address)...)...)
	if err := s.Wait(); err != nil {
		t.Errorf("server: %v", err)
	}
	keyLog, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return stopCapture(t, c, 1), keyLog
}

// checkKeys checks the key identifiers: 0 for the handshake, and 1 for ChangeCipherSpec, Finished
// and all later messages. In DTLS 1.3, 1 is for all messages after the server's Finished.
func checkKeys(t *testing.T, a *wire.Association) {
	t.Helper()
	want := map[wire.Stage]int{wire.Before: 0, wire.Switching: 1, wire.After: 1}
	seen := make(map[wire.Stage]bool)
	for u, n := range a.DataChunks() {
		seen[u.Stage] = true
		if u.KeyID != want[u.Stage] {
			t.Errorf("%d DATA chunks %v under key %d, want %d", n, u.Stage, u.KeyID, want[u.Stage])
		}
	}
	for stage := range want {
		if !seen[stage] {
			t.Errorf("no DATA chunks %v", stage)
		}
	}
}

// checkEchoes checks that everything that the client has sent on each stream has come back in
// order, with its PPID.
func checkEchoes(t *testing.T, a *wire.Association, count, streams, size int) {
	t.Helper()
	byStream := func(side wire.Side) map[uint16][]*wire.Message {
		out := make(map[uint16][]*wire.Message)
		for _, m := range a.Application(side) {
			out[m.Stream] = append(out[m.Stream], m)
		}
		return out
	}
	sent, echoed := byStream(wire.Initiator), byStream(wire.Responder)
	if n := len(a.Application(wire.Initiator)); n != count || len(sent) != streams {
		t.Errorf("%d messages on %d streams, want %d on %d", n, len(sent), count, streams)
	}
	for stream, messages := range sent {
		if len(echoed[stream]) != len(messages) {
			t.Errorf("stream %d: %d echoes of %d messages", stream, len(echoed[stream]), len(messages))
			continue
		}
		for i, m := range messages {
			e := echoed[stream][i]
			if len(m.Record.Payload) != size {
				t.Errorf("%v: %d bytes of plaintext, want %d", m, len(m.Record.Payload), size)
			}
			if !bytes.Equal(m.Record.Payload, e.Record.Payload) || m.PPID != e.PPID ||
				m.Unordered != e.Unordered {
				t.Errorf("%v is not echoed by %v", m, e)
			}
		}
	}
}

// checkTimers checks that nothing was sent twice, because this link loses nothing, and that no
// endpoint waited for a delayed acknowledgement in the handshake or at the end.
//
// The client's first packet under key 1 is lost, and retransmitted soon, if the server has not
// computed the key yet. No timer of a second is involved, but it can happen on a busy machine. It
// can also happen that a peer is slow to acknowledge other packets of the handshake, whose timers
// are short.
func checkTimers(t *testing.T, a *wire.Association) {
	t.Helper()
	for _, timer := range a.Timers {
		switch {
		case timer.Cause == wire.DelayedSACK && (timer.Phase == wire.DataPhase || !timer.Waited):
		case timer.Cause == wire.Retransmission && ofHandshake(a, timer.Since) &&
			timer.Duration() < time.Second:
		default:
			t.Errorf("timer: %v", timer)
		}
	}
}

// ofHandshake reports whether p contains records of a handshake: handshake messages,
// ChangeCipherSpec, or their acknowledgement in DTLS 1.3.
func ofHandshake(a *wire.Association, p *wire.Packet) bool {
	return slices.ContainsFunc(a.Messages, func(m *wire.Message) bool {
		return m.Packet == p.Number && m.Record != nil && m.Record.Type != wire.ApplicationData &&
			m.Record.Type != wire.Alert
	})
}
