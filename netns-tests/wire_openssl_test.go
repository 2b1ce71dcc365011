//go:build kernel

package netns

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// TestWireOpenSSL reads a conversation of OpenSSL with itself. It shows that
// what is checked of our own packets does not only hold in our own eyes: keys,
// records and data come out right, and what OpenSSL does otherwise is found.
//
//	client ──── server, captured at the server
func TestWireOpenSSL(t *testing.T) { // RFC 6083, Section 4.8
	client, server := NewPair(t)
	for _, h := range []*Host{client, server} {
		h.Sysctl(t, "net.sctp.auth_enable", "1") // it does not ask for SCTP-AUTH itself
	}
	certs := t.TempDir()
	client.Run(t, "sctp-echo", "certs", "-host", server.Addrs[0].String(), certs)

	for _, tt := range []struct {
		name, label string
		arguments   []string
	}{
		{"RFC 6083", wire.DefaultLabel, nil},
		{"old label", wire.DefaultLabel + "\x00", []string{"-sctp_label_bug"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			frames, keyLog, said := captureOpenSSL(t, client, server, certs, tt.arguments)
			a := checkCapture(t, frames, wire.Options{
				KeyLog:              keyLog,
				Label:               tt.label,
				FinishedUnderOldKey: true,
			})
			for side, want := range said {
				messages := a.Application(wire.Side(side))
				if len(messages) != 1 || string(messages[0].Record.Payload) != want {
					t.Errorf("messages of the %v: %v, want one that says %q", wire.Side(side), messages, want)
				}
			}
			// It waits for a delayed SACK in each full handshake.
			if !slices.ContainsFunc(a.Timers, func(timer wire.Timer) bool {
				return timer.Cause == wire.DelayedSACK && timer.Phase == wire.HandshakePhase && timer.Waited
			}) {
				t.Errorf("no delayed SACK was found: %v", a.Timers)
			}

			// Its client's Finished comes under the old key, which we must not do.
			all, err := wire.Check(frames, wire.Options{KeyLog: keyLog, Label: tt.label})
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range all[0].Defects {
				if d.Kind != wire.WrongKey {
					t.Errorf("defect: %v", d)
				}
			}
			if n := len(all[0].Defects); n != 1 {
				t.Errorf("%d messages under the wrong key, want 1", n)
			}
			// And with the other label nothing under key 1 is right.
			if all, err = wire.Check(frames, wire.Options{KeyLog: keyLog,
				Label: "EXPORTER_SOMETHING_ELSE"}); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(all[0].Defects,
				func(d wire.Defect) bool { return d.Kind == wire.WrongHMAC }) {
				t.Error("HMACs are right under the key of another label")
			}
		})
	}
}

// captureOpenSSL has s_client and s_server say one line each.
func captureOpenSSL(t *testing.T, client, server *Host, certs string,
	arguments []string) (frames []wire.Frame, keyLog []byte, said [2]string) {
	t.Helper()
	said = [2]string{
		wire.Initiator: "what the client says must not be seen\n",
		wire.Responder: "nor what the server says\n",
	}
	c := startCapture(t, server)
	log := filepath.Join(t.TempDir(), "keylog")
	options := func(role string) []string {
		pem := func(name string) string { return filepath.Join(certs, name+".pem") }
		return append([]string{"-dtls1_2", "-sctp", "-cert", pem(role), "-key", pem(role + "-key"),
			"-CAfile", pem("ca")}, arguments...)
	}
	address := server.Addrs[0].String() + ":5868"
	s := server.Start(t, "openssl", append([]string{"s_server", "-accept", address, "-naccept", "1",
		"-Verify", "1"}, options("server")...)...)
	s.WaitFor("ACCEPT")
	p := client.Start(t, "openssl", append([]string{"s_client", "-connect", address, "-keylogfile",
		log}, options("client")...)...)
	p.WaitFor("Verify return code: 0")
	p.Type(said[wire.Initiator])
	s.WaitFor(said[wire.Initiator])
	s.Type(said[wire.Responder])
	p.WaitFor(said[wire.Responder])
	p.Type("Q\n")
	if err := p.Wait(); err != nil {
		t.Errorf("s_client: %v", err)
	}
	frames = stopCapture(t, c, 1)
	keyLog, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return frames, keyLog, said
}
