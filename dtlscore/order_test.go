package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

func wantStory(t *testing.T, e *testEnd, want []string) {
	t.Helper()
	if !slices.Equal(e.story, want) {
		t.Errorf("%s: events are\n%q, want\n%q", e.name, e.story, want)
	}
	e.story = nil
}

// RFC 6083, Sections 4.7 and 4.8, require one sequence of events on each side.
func TestEventOrderFullHandshake(t *testing.T) {
	t.Run("mutual", func(t *testing.T) {
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello",
			"Send Certificate", "Send ClientKeyExchange",
			"InstallKey", // right after ClientKeyExchange
			"Send CertificateVerify",
			"AwaitDry",
			"ActivateKey",
			"Send ChangeCipherSpec", "Send Finished",
			"ReadPending",
			"PeerFinished", "HandshakeComplete",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send Certificate", "Send ServerKeyExchange", "Send CertificateRequest",
			"Send ServerHelloDone",
			"InstallKey", // before CertificateVerify is verified
			"ReadPending",
			"PeerFinished",
			"AwaitDry", "ActivateKey",
			"Send ChangeCipherSpec", "Send Finished", // the old key is not deleted earlier
			"AwaitDry", // so that no data on another stream overtakes Finished
			"HandshakeComplete",
		})
	})
	t.Run("server only", func(t *testing.T) {
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello", "Send ClientKeyExchange", "InstallKey", "AwaitDry", "ActivateKey",
			"Send ChangeCipherSpec", "Send Finished", "ReadPending", "PeerFinished", "HandshakeComplete",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send Certificate", "Send ServerKeyExchange", "Send ServerHelloDone",
			"InstallKey", "ReadPending", "PeerFinished", "AwaitDry", "ActivateKey",
			"Send ChangeCipherSpec", "Send Finished", "AwaitDry", "HandshakeComplete",
		})
	})
}

// RFC 6083, Section 4.8: the server has its key before the client uses it in a full handshake,
// which takes as long as the client's own computations.
func TestClientKeyExchangeLeavesBeforeOwnCalculations(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
	p.start()
	p.server.receiveNext()
	for len(p.client.inbox) > 1 {
		p.client.receiveNext()
	}
	c := p.client.conn
	if _, err := c.Receive(p.client.inbox[0].bytes, true, Tag{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []handshakeType{typeCertificate, typeClientKeyExchange} {
		if e := c.NextEvent(); e.Kind != EventSend || handshakeType(e.Data[recordHeaderLen]) != want {
			t.Fatalf("event %v %x, want %v", e.Kind, e.Data, want)
		}
		if c.in.next != nil {
			t.Fatal("keys are there before ClientKeyExchange was handed out")
		}
	}
	if e := c.NextEvent(); e.Kind != EventInstallKey || c.in.next == nil {
		t.Fatalf("event %v, want the secret", e.Kind)
	}
}

// So it is in a resumed handshake, where the client has to have its key before the server uses it.
// What the server sends under it is dropped otherwise.
func TestServerHelloLeavesBeforeOwnCalculations(t *testing.T) {
	client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
	newTestPair(t, client, server).handshake()
	p := newTestPair(t, client, server)
	p.start()
	c := p.server.conn
	if _, err := c.Receive(p.server.inbox[0].bytes, true, Tag{}); err != nil {
		t.Fatal(err)
	}
	if e := c.NextEvent(); e.Kind != EventSend || e.More ||
		handshakeType(e.Data[recordHeaderLen]) != typeServerHello {
		t.Fatalf("event %v %x, more %v, want a ServerHello alone", e.Kind, e.Data, e.More)
	}
	if c.in.next != nil {
		t.Fatal("keys are there before the ServerHello was handed out")
	}
	if e := c.NextEvent(); e.Kind != EventInstallKey || c.in.next == nil {
		t.Fatalf("event %v, want the secret", e.Kind)
	}
}

// G4: RFC 6083, Section 4.8.
func TestAttackG4EndpointSecretAndExporter(t *testing.T) {
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) { testExporter(t, v) })
	}
}

func testExporter(t *testing.T, v testVersion) {
	client, server := v.configs(tls.NoClientCert)
	p := newTestPair(t, client, server)
	if _, err := p.client.conn.ExportKeyingMaterial("EXPORTER_x", nil, 32); !errors.Is(err,
		ErrMisuse) {
		t.Errorf("keying material before the handshake: %v", err)
	}
	p.handshake()
	secret := p.client.secrets[0]
	if len(secret) != 64 || !bytes.Equal(secret, p.server.secrets[0]) {
		t.Errorf("endpoint pair secrets %x and %x", secret, p.server.secrets[0])
	}
	export := func(e *testEnd, label string, context []byte) string {
		return string(must(e.conn.ExportKeyingMaterial(label, context, 64)))
	}
	if export(p.client, EndpointSecretLabel, nil) != string(secret) {
		t.Error("the endpoint pair secret is not what the exporter gives")
	}
	values := make(map[string]bool)
	for _, label := range []string{EndpointSecretLabel, EndpointSecretLabel + "\x00", "EXPORTER_x"} {
		for _, context := range [][]byte{nil, {}, {1}} {
			got := export(p.client, label, context)
			if got != export(p.server, label, context) {
				t.Errorf("ends disagree on %q with context %v", label, context)
			}
			// In DTLS 1.3 no context is the same as an empty one.
			if values[got] != (v.number == VersionDTLS13 && context != nil && len(context) == 0) {
				t.Errorf("the same value again, or not, for %q with context %v", label, context)
			}
			values[got] = true
		}
	}
	if _, err := p.client.conn.ExportKeyingMaterial("master secret", nil,
		48); v.number == VersionDTLS12 && !errors.Is(err, ErrMisuse) {
		t.Errorf("label of the protocol itself: %v", err)
	}
}

// RFC 6083, Section 4.8: the label that ends in NUL, as in old releases of OpenSSL, if both sides
// are configured with it.
func TestEndpointSecretLabel(t *testing.T) {
	client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
	client.EndpointSecretLabel = EndpointSecretLabel + "\x00"
	server.EndpointSecretLabel = client.EndpointSecretLabel
	p := newTestPair(t, client, server)
	p.handshake()
	want := must(p.client.conn.ExportKeyingMaterial(client.EndpointSecretLabel, nil, 64))
	if !bytes.Equal(p.client.secrets[0], want) || !bytes.Equal(p.server.secrets[0], want) {
		t.Error("the label of the configuration was not used")
	}
}

func TestCloseBeforeHandshakeComplete(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	p.start()
	p.client.conn.Close()
	p.client.obey()
	p.run()
	if alert, ok := errtype.As[*AlertError](p.server.err); !ok || alert.Alert != AlertUserCanceled ||
		alert.Local {
		t.Errorf("server: %v", p.server.err)
	}
	if p.client.err == nil {
		t.Error("client is not closed")
	}
}

func TestMisuse(t *testing.T) {
	c := must(Client(testClientConfig()))
	if _, err := c.Receive(nil, true, Tag{}); !errors.Is(err, ErrMisuse) {
		t.Errorf("Receive before Start: %v", err)
	}
	c = must(Client(testClientConfig()))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); !errors.Is(err, ErrMisuse) {
		t.Errorf("second Start: %v", err)
	}
	if err := c.Start(); !errors.Is(err, ErrMisuse) {
		t.Errorf("third Start: %v", err)
	}
	if err := must(Client(testClientConfig())).PendingRead(); err != nil {
		t.Errorf("PendingRead without need: %v", err)
	}
}

func TestFail(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	p.handshake()
	reason := errors.New("association restarted")
	p.client.conn.Fail(AlertInternalError, reason)
	p.client.conn.Fail(AlertCloseNotify, nil)
	p.client.obey()
	p.run()
	if !errors.Is(p.client.err, reason) {
		t.Errorf("client: %v", p.client.err)
	}
	if alert, ok := errtype.As[*AlertError](p.server.err); !ok || alert.Alert != AlertInternalError ||
		alert.Local {
		t.Errorf("server: %v", p.server.err)
	}
	// C6: nothing is sent after a fatal alert of either side.
	if _, err := p.server.conn.Seal(nil, nil); !errors.Is(err, ErrNotOpen) {
		t.Errorf("Seal: %v", err)
	}
	p.server.conn.Close()
	if e := p.server.conn.NextEvent(); e.Kind != EventNone {
		t.Errorf("event %v after a fatal alert of the peer", e)
	}
}

// The two directions end independently, in both versions: RFC 8446, Section 6.1. After the peer's
// close_notify this end may send beyond the window of record numbers, without new keys, because the
// peer cannot acknowledge them.
func TestHalfClose(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
		client.MaxVersion, server.MaxVersion = version, version
		p := newTestPair(t, client, server)
		p.handshake()
		p.server.goesOn = true
		p.client.conn.Close()
		p.client.obey()
		p.run()
		if !p.server.closed {
			t.Fatalf("%#x: the server does not know that the client has closed", version)
		}
		p.server.conn.app.Load().limits.records = 4 * maxWindow
		for i := range 3 * maxWindow {
			record, err := p.server.conn.Seal(nil, []byte("answer"))
			if err != nil {
				t.Fatalf("%#x: record %d: %v", version, i, err)
			}
			data, err := p.client.conn.Receive(record, false, Tag{})
			if err != nil || string(data) != "answer" {
				t.Fatalf("%#x: record %d: %q, %v", version, i, data, err)
			}
			if p.server.conn.UpkeepDue() {
				if err := p.server.conn.Upkeep(); err != nil {
					t.Fatal(err)
				}
				p.server.obey()
				p.run()
			}
		}
		if p.client.closed || slices.Contains(p.server.story, "Send KeyUpdate") {
			t.Errorf("%#x: %q", version, p.server.story)
		}
		if err := p.server.conn.Renegotiate(); version == VersionDTLS12 && !errors.Is(err, ErrNotOpen) {
			t.Errorf("Renegotiate: %v", err)
		}
		if err := p.server.conn.KeyUpdate(UpdateRequested); !errors.Is(err, ErrMisuse) {
			t.Errorf("KeyUpdate: %v", err)
		}
		p.server.conn.Close()
		p.server.obey()
		p.run()
		if !p.client.closed || p.client.err != nil || p.server.err != nil {
			t.Errorf("%#x: closed %v, %v, %v", version, p.client.closed, p.client.err, p.server.err)
		}
	}
}

// If the peer closes instead of answering a request to renegotiate, the connection continues
// without a renegotiation.
func TestHalfCloseRefusesRenegotiation(t *testing.T) {
	for _, asker := range []string{"client", "server"} {
		client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
		client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
		p := newTestPair(t, client, server)
		p.handshake()
		e := p.client
		if asker == "server" {
			e = p.server
		}
		e.goesOn = true
		if err := e.conn.Renegotiate(); err != nil {
			t.Fatal(err)
		}
		e.obey()
		e.peer.conn.Close()
		e.peer.obey()
		p.run()
		record, err := e.conn.Seal(nil, []byte("answer"))
		if err != nil || !e.closed || !slices.Contains(e.story, "RenegotiationRefused") {
			t.Fatalf("%s: closed %v, %q, Seal: %v", asker, e.closed, e.story, err)
		}
		data, err := e.peer.conn.Receive(record, false, Tag{})
		if err != nil || string(data) != "answer" {
			t.Errorf("%s: %q, %v", asker, data, err)
		}
	}
}
