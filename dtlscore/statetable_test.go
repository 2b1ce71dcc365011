package dtlscore

import (
	"crypto/tls"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// typeChangeCipherSpec represents that record in a list of messages.
const typeChangeCipherSpec handshakeType = 255

// A stateCase brings the tested connection into a state.
type stateCase struct {
	state   string // its type
	how     string // if there are several ways
	client  bool   // the tested connection is a client
	config  func(t *testing.T) *Config
	lead    func(s *script)
	allowed []handshakeType
	ignored []handshakeType
}

func server12(auth tls.ClientAuthType) func(*testing.T) *Config {
	return func(*testing.T) *Config { return testServerConfig(auth) }
}

func client12(*testing.T) *Config { return testClientConfig() }

func pskServer12(*testing.T) *Config { _, server := pskConfigs(); return server }

// pskClient12 returns a client with one of the suites that use a pre-shared key.
func pskClient12(suite uint16) func(*testing.T) *Config {
	return func(*testing.T) *Config {
		client, _ := pskConfigs()
		client.CipherSuites = []uint16{suite}
		return client
	}
}

func withSuite(suite uint16) func(*serverHello) { return func(m *serverHello) { m.suite = suite } }

// resumable12 returns a client or a server that has had a connection before.
func resumable12(isClient bool) func(*testing.T) *Config {
	return func(t *testing.T) *Config {
		client, server := resumingConfigs(tls.NoClientCert)
		newTestPair(t, client, server).handshake()
		if isClient {
			return client
		}
		session, _ := client.SessionCache.Get(testName)
		server.SessionCache = NewSessionCache(1) // for the script
		server.SessionCache.Put(testName, session)
		return server
	}
}

func cachingClientConfig(*testing.T) *Config {
	config := testClientConfig()
	config.SessionCache = NewSessionCache(1)
	return config
}

// stateCases are the states of DTLS 1.2, and the messages that each accepts.
var stateCases = []stateCase{
	{state: "serverWaitClientHello", config: server12(tls.NoClientCert),
		lead: func(s *script) {}, allowed: []handshakeType{typeClientHello}},
	{state: "server12WaitCertificate", config: server12(tls.RequestClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight() },
		allowed: []handshakeType{typeCertificate}},
	{state: "server12WaitClientKeyExchange", how: "without a certificate",
		config:  server12(tls.NoClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight() },
		allowed: []handshakeType{typeClientKeyExchange}},
	{state: "server12WaitClientKeyExchange", how: "with a certificate",
		config:  server12(tls.RequestClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.certificate() },
		allowed: []handshakeType{typeClientKeyExchange}},
	{state: "server12WaitCertificateVerify", config: server12(tls.RequestClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.certificate(); s.keyExchange() },
		allowed: []handshakeType{typeCertificateVerify}},
	{state: "server12WaitChangeCipherSpec", how: "without a certificate",
		config:  server12(tls.NoClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.keyExchange() },
		allowed: []handshakeType{typeChangeCipherSpec}},
	{state: "server12WaitChangeCipherSpec", how: "with a certificate",
		config: server12(tls.RequestClientCert),
		lead: func(s *script) {
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.keyExchange()
			s.verify()
		},
		allowed: []handshakeType{typeChangeCipherSpec}},
	{state: "server12WaitFinished", config: server12(tls.NoClientCert),
		lead: func(s *script) {
			s.clientHello()
			s.serverFlight()
			s.keyExchange()
			s.changeCipherSpec()
			s.useKeys()
		},
		allowed: []handshakeType{typeFinished}},
	{state: "open12", how: "server", config: server12(tls.NoClientCert),
		lead: func(s *script) { s.completeClient() }, ignored: []handshakeType{typeClientHello}},

	{state: "clientWaitServerHello", client: true, config: client12,
		lead:    func(s *script) { s.readClientHello() },
		allowed: []handshakeType{typeServerHello, typeHelloVerifyRequest},
		ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitCertificate", client: true, config: client12,
		lead:    func(s *script) { s.readClientHello(); s.serverHello() },
		allowed: []handshakeType{typeCertificate}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", client: true, config: client12,
		lead:    func(s *script) { s.readClientHello(); s.serverHello(); s.certificate() },
		allowed: []handshakeType{typeServerKeyExchange}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", how: "with a status announced", client: true,
		config: client12,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.statusRequest = true })
			s.certificate()
		},
		allowed: []handshakeType{typeServerKeyExchange, typeCertificateStatus},
		ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", how: "after the status", client: true, config: client12,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.statusRequest = true })
			s.certificate()
			s.send(&certificateStatus{response: []byte{1}})
		},
		allowed: []handshakeType{typeServerKeyExchange}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerHelloDone", client: true, config: client12,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange()
		},
		allowed: []handshakeType{typeCertificateRequest, typeServerHelloDone},
		ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerHelloDone", how: "after CertificateRequest", client: true,
		config: client12,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange()
			s.certificateRequest()
		},
		allowed: []handshakeType{typeServerHelloDone}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitNewSessionTicket", client: true, config: cachingClientConfig,
		lead: func(s *script) {
			s.flights(func(m *serverHello) { m.sessionTicket = []byte{} })
		},
		allowed: []handshakeType{typeNewSessionTicket}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitChangeCipherSpec", client: true, config: client12,
		lead: func(s *script) {
			s.flights()
		},
		allowed: []handshakeType{typeChangeCipherSpec}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitFinished", client: true, config: client12,
		lead: func(s *script) {
			s.flights()
			s.changeCipherSpec()
			s.useKeys()
		},
		allowed: []handshakeType{typeFinished}, ignored: []handshakeType{typeHelloRequest}},
	{state: "server12WaitClientKeyExchange", how: "with a pre-shared key", config: pskServer12,
		lead: func(s *script) {
			s.clientHello(func(m *clientHello) {
				m.suites = []uint16{TLS_PSK_WITH_AES_128_GCM_SHA256, TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256}
			})
		}, allowed: []handshakeType{typeClientKeyExchange}},
	{state: "server12WaitChangeCipherSpec", how: "resumed", config: resumable12(false),
		lead:    func(s *script) { s.resumeClient(s.under.conn.config) },
		allowed: []handshakeType{typeChangeCipherSpec}},
	{state: "server12WaitFinished", how: "resumed", config: resumable12(false),
		lead: func(s *script) {
			s.resumeClient(s.under.conn.config)
			s.changeCipherSpec()
			s.useKeys()
		},
		allowed: []handshakeType{typeFinished}},
	{state: "client12WaitServerKeyExchange", how: "with a pre-shared key", client: true,
		config: pskClient12(TLS_PSK_WITH_AES_128_GCM_SHA256),
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(withSuite(TLS_PSK_WITH_AES_128_GCM_SHA256))
		},
		allowed: []handshakeType{typeServerKeyExchange, typeServerHelloDone},
		ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", how: "with a pre-shared key and ECDHE", client: true,
		config: pskClient12(TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256),
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(withSuite(TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256))
		},
		allowed: []handshakeType{typeServerKeyExchange}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerHelloDone", how: "with a pre-shared key", client: true,
		config: pskClient12(TLS_PSK_WITH_AES_128_GCM_SHA256),
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(withSuite(TLS_PSK_WITH_AES_128_GCM_SHA256))
			s.send(&serverKeyExchange{kx: kxPSK, hint: []byte("hint")})
		},
		allowed: []handshakeType{typeServerHelloDone}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitChangeCipherSpec", how: "resumed", client: true, config: resumable12(true),
		lead:    func(s *script) { s.resumeServer(s.under.conn.config) },
		allowed: []handshakeType{typeChangeCipherSpec}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitNewSessionTicket", how: "resumed", client: true, config: resumable12(true),
		lead: func(s *script) {
			s.resumeServer(s.under.conn.config, func(m *serverHello) { m.sessionTicket = []byte{} })
		},
		allowed: []handshakeType{typeNewSessionTicket}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitFinished", how: "resumed", client: true, config: resumable12(true),
		lead: func(s *script) {
			s.resumeServer(s.under.conn.config)
			s.changeCipherSpec()
			s.useKeys()
		},
		allowed: []handshakeType{typeFinished}, ignored: []handshakeType{typeHelloRequest}},
	{state: "open12", how: "client", client: true, config: client12,
		lead: func(s *script) { s.completeServer(false) }, ignored: []handshakeType{typeHelloRequest}},
}

// wellFormedMessages returns a message of each type that parses in DTLS 1.2.
func wellFormedMessages(kx keyExchange) map[handshakeType]message {
	client := must((&Conn{config: testClientConfig()}).newClientHello())
	list := []message{
		new(helloRequest), client,
		&serverHello{version: VersionDTLS12, suite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		&helloVerifyRequest{VersionDTLS12, []byte{1}},
		&newSessionTicket12{1, []byte{1}},
		new(encryptedExtensions),
		&certificate12{chain: testCerts().ecdsa.Certificate},
		&serverKeyExchange{kx: kx, group: tls.X25519, public: make([]byte, 32), scheme: tls.Ed25519},
		&certificateRequest12{types: []uint8{1}, schemes: []tls.SignatureScheme{tls.Ed25519}},
		new(serverHelloDone),
		&certificateVerify{tls.Ed25519, []byte{1}},
		&clientKeyExchange{kx: kx, public: make([]byte, 32)},
		&finished{make([]byte, verifyDataLen12)},
		&certificateStatus{response: []byte{1}},
		new(keyUpdate),
	}
	messages := make(map[handshakeType]message)
	for _, m := range list {
		messages[m.typ()] = m
	}
	return messages
}

// D1, D3: every state with every message. A message that is not allowed is answered with
// unexpected_message.
func TestAttackD1D3StateTable(t *testing.T) {
	for _, c := range stateCases {
		c.run(t)
	}
}

func (c *stateCase) run(t *testing.T) {
	everyMessage(t, c.state, c.how, c.allowed, c.ignored, func(t *testing.T) *script {
		s := newScript(t, !c.client, c.config(t))
		c.lead(s)
		return s
	}, func(s *script) map[handshakeType]message {
		return wellFormedMessages(s.under.conn.form.kx)
	})
}

// everyMessage sends each message to a connection that lead brings into a state.
func everyMessage[S peerScript](t *testing.T, state, how string, allowed, ignored []handshakeType,
	lead func(*testing.T) S, messages func(S) map[handshakeType]message) {
	t.Run(strings.TrimSpace(state+" "+how), func(t *testing.T) {
		for typ := range handshakeType(typeKeyUpdate + 2) {
			if typ == typeKeyUpdate+1 {
				typ = typeChangeCipherSpec
			}
			if slices.Contains(allowed, typ) {
				continue
			}
			s := lead(t)
			under := s.common().under
			if got := fmt.Sprintf("%T", under.conn.state); got != "*dtlscore."+state {
				t.Fatalf("state is %s", got)
			}
			s.wantAlive("the way to the state is legal")
			switch m, known := messages(s)[typ]; {
			case typ == typeChangeCipherSpec:
				s.changeCipherSpec()
			case known:
				s.send(m)
			default:
				s.sendMessage(typ, nil)
			}
			if slices.Contains(ignored, typ) {
				s.wantAlive(typ.String() + " is ignored")
				continue
			}
			if under.err == nil {
				t.Errorf("%v is accepted", typ)
				continue
			}
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		}
	})
}

// D1: the table contains every state.
func TestAttackD1TableIsComplete(t *testing.T) {
	for _, name := range must(filepath.Glob("*.go")) {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		for _, decl := range must(parser.ParseFile(token.NewFileSet(), name, nil, 0)).Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv == nil || f.Name.Name != "handle" {
				continue
			}
			name := f.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name
			if !slices.ContainsFunc(stateCases, func(c stateCase) bool { return c.state == name }) &&
				!slices.ContainsFunc(stateCases13, func(c stateCase13) bool { return c.state == name }) {
				t.Errorf("state %s is not in the table", name)
			}
		}
	}
}
