package dtlscore

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// largeConfigs are configurations of two ends that accept messages of these sizes.
func largeConfigs(clientTakes, serverTakes int) (client, server *Config) {
	client, server = testClientConfig13(), testServerConfig13(tls.NoClientCert)
	client.MaxMessageSize, server.MaxMessageSize = clientTakes, serverTakes
	return client, server
}

// openLarge13 returns a connection with large records.
func openLarge13(t testing.TB, clientTakes, serverTakes int) *testPair {
	client, server := largeConfigs(clientTakes, serverTakes)
	p := newTestPair(t, client, server)
	p.handshake()
	return p
}

func limitOf(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// badLimits are bodies of large_record_size_limit and the alerts for them; close_notify means none.
var badLimits = []struct {
	body  []byte
	alert Alert
}{
	{[]byte{}, AlertDecodeError},
	{[]byte{0, 1, 0}, AlertDecodeError},
	{[]byte{0, 1, 0, 0, 0}, AlertDecodeError},
	{make([]byte, 1000), AlertDecodeError},
	{limitOf(0), AlertIllegalParameter},
	{limitOf(1), AlertIllegalParameter},
	{limitOf(63), AlertIllegalParameter},
	{limitOf(64), AlertCloseNotify},
	{limitOf(1<<14 + 1), AlertCloseNotify},
	{limitOf(1<<30 - 256), AlertCloseNotify},
	{limitOf(1<<30 - 255), AlertIllegalParameter},
	{limitOf(1 << 31), AlertIllegalParameter},
	{limitOf(1<<32 - 1), AlertIllegalParameter},
}

// I4: how a server handles a client's limit.
func TestAttackI4LimitOfClient13(t *testing.T) {
	for _, test := range badLimits {
		for _, takes := range []int{0, 1 << 14, 1 << 20} {
			name := fmt.Sprintf("%x for a server that takes %d", test.body[:min(8, len(test.body))], takes)
			t.Run(name, func(t *testing.T) {
				_, server := largeConfigs(0, takes)
				s := newScriptedClient13(t, server)
				s.clientHello(func(m *clientHello) { m.largeRecordSizeLimit = test.body })
				if takes > 1<<14 && test.alert != AlertCloseNotify {
					fault := ErrPeerMisbehaved
					if test.alert == AlertDecodeError {
						fault = ErrInvalidMessage
					}
					s.wantAlert(test.alert, fault)
					return
				}
				// A server that does not use the extension ignores it: a peer may use its number
				// for something else.
				s.serverFlight()
				s.clientFlight()
				state := s.under.conn.ConnectionState()
				read, write := MaxPlaintext, MaxPlaintext
				if takes > MaxPlaintext {
					read, write = takes, int(binary.BigEndian.Uint32(test.body))-1
				}
				if state.MaxRead != read || state.MaxWrite != write {
					t.Errorf("may read %d and write %d", state.MaxRead, state.MaxWrite)
				}
			})
		}
	}
}

// I4: how a client handles a server's limit.
func TestAttackI4LimitOfServer13(t *testing.T) {
	for _, test := range badLimits {
		for _, takes := range []int{0, 1 << 20} {
			name := fmt.Sprintf("%x for a client that takes %d", test.body[:min(8, len(test.body))], takes)
			t.Run(name, func(t *testing.T) {
				client, _ := largeConfigs(takes, 0)
				s := newScriptedServer13(t, client)
				s.readClientHello()
				var want []byte
				if takes > 0 {
					want = limitOf(1<<20 + 1)
				}
				if asked := s.offer.largeRecordSizeLimit; !bytes.Equal(asked, want) {
					t.Fatalf("client asks for %x", asked)
				}
				s.serverHello()
				s.encryptedExtensions(func(m *encryptedExtensions) { m.largeRecordSizeLimit = test.body })
				switch {
				case takes == 0:
					s.wantAlert(AlertUnsupportedExtension, ErrPeerMisbehaved)
				case test.alert == AlertDecodeError:
					s.wantAlert(test.alert, ErrInvalidMessage)
				case test.alert != AlertCloseNotify:
					s.wantAlert(test.alert, ErrPeerMisbehaved)
				default:
					s.wantAlive("a limit that may be")
				}
			})
		}
	}
}

// A strangeExtensions is an EncryptedExtensions with arbitrary contents.
type strangeExtensions struct {
	encryptedExtensions
	list []editedExtension
}

func (m *strangeExtensions) marshal(b *cryptobyte.Builder) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, x := range m.list {
			b.AddUint16(uint16(x.typ))
			addVector16(b, x.data)
		}
	})
}

// I4: a server answers with at most one of the three extensions that limit records, and only with
// one that was offered.
func TestAttackI4ContradictoryLimits13(t *testing.T) {
	large := editedExtension{extLargeRecordSizeLimit, limitOf(1 << 16)}
	other := editedExtension{extRecordSizeLimit, []byte{0x40, 1}}
	fragment := editedExtension{extMaxFragmentLength, []byte{4}}
	for _, test := range []struct {
		list  []editedExtension
		takes int
		alert Alert
	}{
		{[]editedExtension{large}, 1 << 20, AlertCloseNotify},
		{[]editedExtension{large, other}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{other, large}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{fragment, large}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{fragment, large, other}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{fragment, other}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{large, large}, 1 << 20, AlertIllegalParameter},
		{[]editedExtension{other}, 1 << 20, AlertUnsupportedExtension},
		{[]editedExtension{fragment}, 0, AlertUnsupportedExtension},
		{[]editedExtension{large, other}, 0, AlertIllegalParameter},
	} {
		client, _ := largeConfigs(test.takes, 0)
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello()
		s.send(&strangeExtensions{list: test.list})
		if test.alert == AlertCloseNotify {
			s.wantAlive("the one that was asked for")
			continue
		}
		s.wantAlert(test.alert, ErrPeerMisbehaved)
	}
	// The server answers only its own extension to a client that offers all three.
	_, server := largeConfigs(0, 1<<20)
	s := newScriptedClient13(t, server)
	s.offer = new(clientHello)
	c := &Conn{config: testClientConfig13(), isClient: true}
	wait := &clientWaitServerHello{hello: must(c.newClientHello())}
	s.check(wait.offer13(c))
	s.offer, s.keys = wait.hello, wait.keys
	s.offer.largeRecordSizeLimit = limitOf(1 << 16)
	hello := editHello(s.offer)
	hello.add(extRecordSizeLimit, 0x40, 1)
	hello.add(extMaxFragmentLength, 4)
	s.send(hello)
	s.readServerHello()
	ee := new(encryptedExtensions)
	s.read(ee)
	if !slices.Equal(ee.seen, []extensionType{extServerName, extLargeRecordSizeLimit}) {
		t.Errorf("server answers %v", ee.seen)
	}
}

// B6: a HelloRetryRequest does not change the limit, and the client must not either.
func TestAttackB6LimitAfterRetry13(t *testing.T) {
	client, server := largeConfigs(1<<20, 1<<17)
	server.CurvePreferences = []tls.CurveID{tls.CurveP256}
	p := newTestPair(t, client, server)
	p.handshake()
	for e, want := range map[*testEnd][2]int{
		p.client: {1 << 17, 1 << 20}, p.server: {1 << 20, 1 << 17},
	} {
		s := e.conn.ConnectionState()
		if !s.HelloRetryRequest || s.MaxWrite != want[0] || s.MaxRead != want[1] {
			t.Errorf("%s: may write %d and read %d", e.name, s.MaxWrite, s.MaxRead)
		}
	}
	for name, limits := range map[string][2][]byte{
		"changed": {limitOf(1 << 16), limitOf(1 << 17)},
		"dropped": {limitOf(1 << 16), nil},
		"added":   {nil, limitOf(1 << 16)},
	} {
		s := newScriptedClient13(t, server)
		s.clientHello(func(m *clientHello) { m.largeRecordSizeLimit = limits[0] })
		s.readRetry()
		s.secondHello(func(m *clientHello) { m.largeRecordSizeLimit = limits[1] })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		if s.under.done > 0 {
			t.Errorf("%s: accepted", name)
		}
	}
}

// B2: DTLS 1.2 has no large records, and its ServerHello no such extension.
func TestAttackB2NoLargeRecordsIn12(t *testing.T) {
	for _, old := range []string{"client", "server"} {
		client, server := bothVersions()
		client.MaxMessageSize, server.MaxMessageSize = 1<<20, 1<<20
		if old == "client" {
			client.MaxVersion = VersionDTLS12
		} else {
			server.MaxVersion = VersionDTLS12
		}
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			s := e.conn.ConnectionState()
			if s.Version != VersionDTLS12 || s.MaxWrite != MaxPlaintext || s.MaxRead != MaxPlaintext ||
				e.conn.MaxRecord() != recordHeaderLen+maxCiphertext12 {
				t.Errorf("%s: version %04x, %d and %d bytes", e.name, s.Version, s.MaxWrite, s.MaxRead)
			}
			if _, err := e.conn.Seal(nil, make([]byte, MaxPlaintext+1)); err != ErrTooLarge {
				t.Errorf("%s: %v", e.name, err)
			}
		}
		p.exchangeData()
	}
}
