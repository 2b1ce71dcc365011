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

// typeChangeCipherSpec stands for that record among messages.
const typeChangeCipherSpec handshakeType = 255

// A stateCase brings the connection under test into a state.
type stateCase struct {
	state   string // its type
	how     string // if there are several ways
	client  bool   // the connection under test is a client
	config  func() *Config
	lead    func(s *script)
	allowed []handshakeType
	ignored []handshakeType
}

func server12(auth tls.ClientAuthType) func() *Config {
	return func() *Config { return testServerConfig(auth) }
}

func cachingClientConfig() *Config {
	config := testClientConfig()
	config.SessionCache = NewSessionCache(1)
	return config
}

// stateCases are the states of DTLS 1.2, and what may come in each.
var stateCases = []stateCase{
	{state: "serverWaitClientHello", config: server12(tls.NoClientCert),
		lead: func(s *script) {}, allowed: []handshakeType{typeClientHello}},
	{state: "server12WaitCertificate", config: server12(tls.RequestClientCert),
		lead: func(s *script) { s.clientHello(); s.serverFlight() }, allowed: []handshakeType{typeCertificate}},
	{state: "server12WaitClientKeyExchange", how: "without a certificate", config: server12(tls.NoClientCert),
		lead: func(s *script) { s.clientHello(); s.serverFlight() }, allowed: []handshakeType{typeClientKeyExchange}},
	{state: "server12WaitClientKeyExchange", how: "with a certificate", config: server12(tls.RequestClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.certificate() },
		allowed: []handshakeType{typeClientKeyExchange}},
	{state: "server12WaitCertificateVerify", config: server12(tls.RequestClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.certificate(); s.keyExchange() },
		allowed: []handshakeType{typeCertificateVerify}},
	{state: "server12WaitChangeCipherSpec", how: "without a certificate", config: server12(tls.NoClientCert),
		lead:    func(s *script) { s.clientHello(); s.serverFlight(); s.keyExchange() },
		allowed: []handshakeType{typeChangeCipherSpec}},
	{state: "server12WaitChangeCipherSpec", how: "with a certificate", config: server12(tls.RequestClientCert),
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

	{state: "clientWaitServerHello", client: true, config: testClientConfig,
		lead:    func(s *script) { s.readClientHello() },
		allowed: []handshakeType{typeServerHello, typeHelloVerifyRequest}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitCertificate", client: true, config: testClientConfig,
		lead:    func(s *script) { s.readClientHello(); s.serverHello() },
		allowed: []handshakeType{typeCertificate}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", client: true, config: testClientConfig,
		lead:    func(s *script) { s.readClientHello(); s.serverHello(); s.certificate() },
		allowed: []handshakeType{typeServerKeyExchange}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", how: "with a status announced", client: true, config: testClientConfig,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.statusRequest = true })
			s.certificate()
		},
		allowed: []handshakeType{typeServerKeyExchange, typeCertificateStatus}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerKeyExchange", how: "after the status", client: true, config: testClientConfig,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.statusRequest = true })
			s.certificate()
			s.send(&certificateStatus{response: []byte{1}})
		},
		allowed: []handshakeType{typeServerKeyExchange}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerHelloDone", client: true, config: testClientConfig,
		lead:    func(s *script) { s.readClientHello(); s.serverHello(); s.certificate(); s.serverKeyExchange() },
		allowed: []handshakeType{typeCertificateRequest, typeServerHelloDone}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitServerHelloDone", how: "after CertificateRequest", client: true, config: testClientConfig,
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
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.sessionTicket = []byte{} })
			s.certificate()
			s.serverKeyExchange()
			s.send(new(serverHelloDone))
			s.clientFlight()
		},
		allowed: []handshakeType{typeNewSessionTicket}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitChangeCipherSpec", client: true, config: testClientConfig,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange()
			s.send(new(serverHelloDone))
			s.clientFlight()
		},
		allowed: []handshakeType{typeChangeCipherSpec}, ignored: []handshakeType{typeHelloRequest}},
	{state: "client12WaitFinished", client: true, config: testClientConfig,
		lead: func(s *script) {
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange()
			s.send(new(serverHelloDone))
			s.clientFlight()
			s.changeCipherSpec()
			s.useKeys()
		},
		allowed: []handshakeType{typeFinished}, ignored: []handshakeType{typeHelloRequest}},
	{state: "open12", how: "client", client: true, config: testClientConfig,
		lead: func(s *script) { s.completeServer(false) }, ignored: []handshakeType{typeHelloRequest}},
}

// wellFormedMessages has one of each message, such as parses in version 1.2 with ECDHE.
func wellFormedMessages() map[handshakeType]message {
	client := must((&Conn{config: testClientConfig()}).newClientHello())
	list := []message{
		new(helloRequest), client,
		&serverHello{version: VersionDTLS12, suite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		&helloVerifyRequest{VersionDTLS12, []byte{1}},
		&newSessionTicket12{1, []byte{1}},
		new(encryptedExtensions),
		&certificate12{chain: testCerts().ecdsa.Certificate},
		&serverKeyExchange{kx: kxECDHEECDSA, group: tls.X25519, public: make([]byte, 32), scheme: tls.Ed25519},
		&certificateRequest12{types: []uint8{1}, schemes: []tls.SignatureScheme{tls.Ed25519}},
		new(serverHelloDone),
		&certificateVerify{tls.Ed25519, []byte{1}},
		&clientKeyExchange{kx: kxECDHEECDSA, public: make([]byte, 32)},
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

// D1: every state times every message. What is not allowed ends with
// unexpected_message.
func TestAttackD1StateTable(t *testing.T) {
	messages := wellFormedMessages()
	for _, c := range stateCases {
		t.Run(strings.TrimSpace(c.state+" "+c.how), func(t *testing.T) {
			for typ := range handshakeType(typeKeyUpdate + 2) {
				if typ == typeKeyUpdate+1 {
					typ = typeChangeCipherSpec
				}
				if slices.Contains(c.allowed, typ) {
					continue
				}
				s := newScript(t, !c.client, c.config())
				c.lead(s)
				if got := fmt.Sprintf("%T", s.under.conn.state); got != "*dtlscore."+c.state {
					t.Fatalf("state is %s", got)
				}
				s.wantAlive("the way to the state is legal")
				switch m, known := messages[typ]; {
				case typ == typeChangeCipherSpec:
					s.changeCipherSpec()
				case known:
					s.send(m)
				default:
					s.sendMessage(typ, nil)
				}
				if slices.Contains(c.ignored, typ) {
					s.wantAlive(typ.String() + " is ignored")
					continue
				}
				s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
			}
		})
	}
}

// The table has every state there is.
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
			if !slices.ContainsFunc(stateCases, func(c stateCase) bool { return c.state == name }) {
				t.Errorf("state %s is not in the table", name)
			}
		}
	}
}
