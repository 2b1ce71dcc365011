package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// renegotiating returns a pair in which both sides may renegotiate.
func renegotiating(t *testing.T, changes ...func(client, server *Config)) *testPair {
	t.Helper()
	client, server := testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert)
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
	for _, change := range changes {
		change(client, server)
	}
	p := newTestPair(t, client, server)
	p.handshake()
	p.client.story, p.server.story = nil, nil
	return p
}

// renegotiateServer renegotiates until the server has completed the handshake, and the client has
// not read the end of the server's flight.
func (p *testPair) renegotiateServer() {
	p.client.renegotiate()
	for p.server.done < 2 {
		p.server.receiveNext()
		if p.server.done < 2 {
			p.client.receiveNext()
		}
	}
}

// renegotiate begins a renegotiation and executes the events.
func (e *testEnd) renegotiate() {
	e.t.Helper()
	if err := e.conn.Renegotiate(); err != nil {
		e.t.Fatalf("%s: Renegotiate: %v", e.name, err)
	}
	e.obey()
}

func (p *testPair) wantHandshakes(n int) {
	p.t.Helper()
	for _, e := range []*testEnd{p.client, p.server} {
		s := e.conn.ConnectionState()
		if e.err != nil || e.done != n || s.Handshakes != n || e.active != n ||
			e.conn.in.epoch != uint16(n) || e.conn.written.number != uint64(n) {
			p.t.Fatalf(
				"%s: %d handshakes (state says %d, secret %d, epochs %d and %d), error %v, want %d\n%q",
				e.name, e.done, s.Handshakes, e.active, e.conn.in.epoch, e.conn.written.number, e.err, n,
				e.story)
		}
	}
	if !bytes.Equal(p.client.secrets[n-1], p.server.secrets[n-1]) {
		p.t.Error("the ends have different secrets")
	}
}

// A renegotiation has the events of a first handshake, in the same order. RFC 6083, Sections 4.7
// and 4.8.
func TestEventOrderRenegotiation(t *testing.T) {
	client := []string{
		"AwaitDry", // OpenSSL accepts no application data after the hello
		"Send ClientHello", "Send Certificate", "Send ClientKeyExchange", "InstallKey",
		"Send CertificateVerify",
		"AwaitDry", "ActivateKey", "Send ChangeCipherSpec", "Send Finished",
		"ReadPending", "PeerFinished", "HandshakeComplete",
	}
	server := []string{
		"AwaitDry",
		"Send ServerHello", "Send Certificate", "Send ServerKeyExchange", "Send CertificateRequest",
		"Send ServerHelloDone",
		"InstallKey", "ReadPending", "PeerFinished",
		"AwaitDry", "ActivateKey", "Send ChangeCipherSpec", "Send Finished", "AwaitDry",
		"HandshakeComplete",
	}
	p := renegotiating(t)
	p.client.renegotiate()
	p.run()
	wantStory(t, p.client, client)
	wantStory(t, p.server, server)
	p.wantHandshakes(2)

	p.server.renegotiate()
	p.run()
	wantStory(t, p.client, client)
	wantStory(t, p.server, append([]string{"Send HelloRequest"}, server...))
	p.wantHandshakes(3)
	p.exchangeData()
}

// G4: both ends export new values after each renegotiation.
func TestAttackG4ExporterAfterRenegotiation(t *testing.T) {
	p := renegotiating(t)
	before := p.client.conn.ConnectionState()
	seen := map[string]bool{}
	for n := 1; n <= 4; n++ {
		p.wantHandshakes(n)
		c := must(p.client.conn.ExportKeyingMaterial(EndpointSecretLabel, nil, 64))
		s := must(p.server.conn.ExportKeyingMaterial(EndpointSecretLabel, nil, 64))
		if !bytes.Equal(c, s) || !bytes.Equal(c, p.client.secrets[n-1]) || seen[string(c)] {
			t.Errorf("after handshake %d: %x, %x, secret %x", n, c, s, p.client.secrets[n-1])
		}
		seen[string(c)] = true
		[]*testEnd{p.client, p.server}[n%2].renegotiate()
		p.run()
	}
	// The secrets of an earlier handshake are gone.
	if _, err := before.ExportKeyingMaterial(EndpointSecretLabel, nil, 64); !errors.Is(err,
		ErrNotOpen) {
		t.Errorf("the state of the first handshake exports something still: %v", err)
	}
}

// H9: during the handshake application data is sent with the old keys, and data with the new keys
// is held until Finished. RFC 6083, Section 4.7.
func TestAttackH9DataDuringRenegotiation(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		p := renegotiating(t)
		begins := p.server
		if byClient {
			begins = p.client
		}
		begins.renegotiate()
		var want [2][]string
		for n := 0; len(p.client.inbox)+len(p.server.inbox) > 0; n++ {
			// A driver blocks its writers between AwaitDry and HandshakeComplete.
			for i, e := range []*testEnd{p.client, p.server} {
				if e.conn.written == e.conn.app.Load() {
					e.write(fmt.Sprint(e.name, n))
					want[1-i] = append(want[1-i], fmt.Sprint(e.name, n))
				}
			}
			p.server.receiveNext()
			p.client.receiveNext()
			if n > 100 { // each write is received too
				t.Fatal("no end")
			}
			if p.client.done == 2 && p.server.done == 2 {
				p.run()
			}
		}
		p.wantHandshakes(2)
		for i, e := range []*testEnd{p.client, p.server} {
			if got := fmt.Sprintf("%s", e.data); got != fmt.Sprintf("%s", want[i]) || len(e.data) < 3 {
				t.Errorf("%s received %s, want %s", e.name, got, want[i])
			}
		}
	}
}

// H9: data on other streams may overtake ChangeCipherSpec and Finished.
func TestAttackH9NewDataBeforeFinished(t *testing.T) {
	p := renegotiating(t)
	p.renegotiateServer()
	if len(p.client.inbox) != 2 {
		t.Fatalf("%d records on the way", len(p.client.inbox))
	}
	p.server.write("early")
	// Finished cannot overtake ChangeCipherSpec, so restore that order.
	slices.Reverse(p.client.inbox)
	p.client.inbox[1], p.client.inbox[2] = p.client.inbox[2], p.client.inbox[1]
	p.client.receiveNext()
	if len(p.client.data) > 0 {
		t.Error("data was delivered before Finished")
	}
	p.run()
	p.wantHandshakes(2)
	if got := fmt.Sprintf("%s", p.client.data); got != "[early]" ||
		p.client.story[len(p.client.story)-1] != "Data" {
		t.Errorf("received %s\n%q", got, p.client.story)
	}
}

// H9: held data is delivered before the events of a held control record, because the driver reads
// newer data while it executes them. RFC 6083, Section 4.7.
func TestAttackH9HeldDataBeforeTheNextHandshake(t *testing.T) {
	p := renegotiating(t)
	p.renegotiateServer()
	p.client.story = nil
	p.server.write("one") // arrives together with ChangeCipherSpec and Finished
	p.server.renegotiate()
	p.server.write("two")
	p.client.receiveNext()
	want := []string{"ReadPending", "PeerFinished", "HandshakeComplete", "Data", "Data", "AwaitDry",
		"Send ClientHello"}
	if got := fmt.Sprintf("%s", p.client.data); got != "[one two]" ||
		!slices.Equal(p.client.story, want) {
		t.Errorf("received %s\n%q, want\n%q", got, p.client.story, want)
	}
	p.run()
	p.wantHandshakes(3)
}

// D11: the client's ClientHello crosses the server's HelloRequest, and one handshake results.
func TestAttackD11BothBegin(t *testing.T) {
	p := renegotiating(t)
	for n := 2; n < 6; n++ {
		p.client.renegotiate()
		p.server.renegotiate()
		p.client.renegotiate() // one is in progress
		p.server.renegotiate()
		p.run()
		p.wantHandshakes(n)
		p.exchangeData()
	}
	// Also when the client's handshake is far advanced.
	p.client.renegotiate()
	for range 3 {
		p.server.receiveNext()
		p.server.renegotiate()
		p.client.receiveNext()
	}
	p.run()
	p.wantHandshakes(6)
	p.exchangeData()
}

// VerifyConnection is called in each handshake, GetConfigForClient only in the first.
func TestRenegotiationCallbacks(t *testing.T) {
	verified, asked := 0, 0
	p := renegotiating(t, func(client, server *Config) {
		other := *server
		verify := func(s ConnectionState) error { verified++; return nil }
		client.VerifyConnection, other.VerifyConnection = verify, verify
		server.GetConfigForClient = func(*tls.ClientHelloInfo) (*Config, error) {
			asked++
			return &other, nil
		}
	})
	p.server.renegotiate()
	p.run()
	p.wantHandshakes(2)
	if verified != 4 || asked != 1 {
		t.Errorf("VerifyConnection was called %d times, GetConfigForClient %d times", verified, asked)
	}
}

// Either side may close at any point of a renegotiation. Both send close_notify, nothing follows
// it, and nothing that was sent before is lost.
func TestCloseDuringRenegotiation(t *testing.T) {
	for _, closer := range []string{"client", "server", "both"} {
		for _, byClient := range []bool{true, false} {
			for step := 0; ; step++ {
				p := renegotiating(t)
				begins := p.server
				if byClient {
					begins = p.client
				}
				begins.renegotiate()
				for range step {
					p.server.receiveNext()
					p.client.receiveNext()
				}
				done := p.client.done == 2 && p.server.done == 2
				for _, e := range []*testEnd{p.client, p.server} {
					if e.name == closer || closer == "both" {
						e.conn.Close()
						e.obey()
					}
				}
				p.run()
				for _, e := range []*testEnd{p.client, p.server} {
					if e.err != nil || !e.closed {
						t.Errorf("%s closes after step %d (begun by the client: %v): %s has error %v, closed %v\n%q",
							closer, step, byClient, e.name, e.err, e.closed, e.story)
					}
					at := slices.Index(e.story, "Send alert close_notify")
					if at < 0 || slices.ContainsFunc(e.story[at+1:],
						func(s string) bool { return strings.HasPrefix(s, "Send") }) {
						t.Errorf("%s closes after step %d: %s has %q", closer, step, e.name, e.story)
					}
				}
				if done {
					break
				}
			}
		}
	}
}

func TestRenegotiateMisuse(t *testing.T) {
	config := testClientConfig()
	config.Renegotiation = RenegotiateFreely
	if err := must(Client(config)).Renegotiate(); !errors.Is(err, ErrNotOpen) {
		t.Errorf("before Start: %v", err)
	}
	p := renegotiating(t)
	p.client.conn.Close()
	if err := p.client.conn.Renegotiate(); !errors.Is(err, ErrNotOpen) {
		t.Errorf("after Close: %v", err)
	}
	p.client.conn.Fail(AlertInternalError, nil)
	if err := p.client.conn.Renegotiate(); err == nil || err != p.client.conn.Err() {
		t.Errorf("after the end: %v", err)
	}
	// A no_renegotiation that answers nothing counts as a warning.
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.completeClient()
	for range maxWarnings {
		s.sendAlert(levelWarning, AlertNoRenegotiation)
	}
	s.wantAlive("the limit is reached")
	s.sendAlert(levelWarning, AlertNoRenegotiation)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}
