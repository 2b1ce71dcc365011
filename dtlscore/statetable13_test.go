package dtlscore

import (
	"crypto/tls"
	"testing"
)

// A stateCase13 is a stateCase of DTLS 1.3.
type stateCase13 struct {
	state   string
	how     string
	client  bool // the tested connection is a client
	config  func() *Config
	lead    func(s *script13)
	allowed []handshakeType
}

func server13(auth tls.ClientAuthType) func() *Config {
	return func() *Config { return testServerConfig13(auth) }
}

func retryingServer13() *Config {
	config := testServerConfig13(tls.NoClientCert)
	config.CurvePreferences = []tls.CurveID{tls.CurveP256}
	return config
}

// stateCases13 are the states of DTLS 1.3, and the messages that each accepts.
var stateCases13 = []stateCase13{
	{state: "serverWaitClientHello", config: server13(tls.NoClientCert),
		lead: func(s *script13) {}, allowed: []handshakeType{typeClientHello}},
	{state: "server13WaitClientHello", config: retryingServer13,
		lead:    func(s *script13) { s.clientHello(); s.readRetry() },
		allowed: []handshakeType{typeClientHello}},
	{state: "server13WaitClientHello", how: "with a cookie", config: cookieConfig13,
		lead:    func(s *script13) { s.clientHello(); s.readRetry() },
		allowed: []handshakeType{typeClientHello}},
	{state: "server13WaitCertificate", config: server13(tls.RequestClientCert),
		lead:    func(s *script13) { s.clientHello(); s.serverFlight() },
		allowed: []handshakeType{typeCertificate}},
	{state: "server13WaitCertificateVerify", config: server13(tls.RequestClientCert),
		lead:    func(s *script13) { s.clientHello(); s.serverFlight(); s.certificate() },
		allowed: []handshakeType{typeCertificateVerify}},
	{state: "server13WaitFinished", how: "without a request", config: server13(tls.NoClientCert),
		lead:    func(s *script13) { s.clientHello(); s.serverFlight() },
		allowed: []handshakeType{typeFinished}},
	{state: "server13WaitFinished", how: "with a certificate", config: server13(tls.RequestClientCert),
		lead:    func(s *script13) { s.clientHello(); s.serverFlight(); s.certificate(); s.verify() },
		allowed: []handshakeType{typeFinished}},
	{state: "server13WaitFinished", how: "with an empty certificate",
		config:  server13(tls.RequestClientCert),
		lead:    func(s *script13) { s.clientHello(); s.serverFlight(); s.send(new(certificate13)) },
		allowed: []handshakeType{typeFinished}},
	{state: "open13", how: "server", config: server13(tls.NoClientCert),
		lead: func(s *script13) { s.completeClient() }, allowed: []handshakeType{typeKeyUpdate}},
	{state: "server13WaitFinished", how: "large records", config: large(server13(tls.NoClientCert)),
		lead:    func(s *script13) { s.clientHello(askForLarge); s.serverFlight() },
		allowed: []handshakeType{typeFinished}},
	{state: "open13", how: "server with large records", config: large(server13(tls.NoClientCert)),
		lead:    func(s *script13) { s.clientHello(askForLarge); s.serverFlight(); s.clientFlight() },
		allowed: []handshakeType{typeKeyUpdate}},

	{state: "clientWaitServerHello", client: true, config: testClientConfig13,
		lead:    func(s *script13) { s.readClientHello() },
		allowed: []handshakeType{typeServerHello, typeHelloRequest}},
	{state: "client13WaitServerHello", client: true, config: testClientConfig13,
		lead: func(s *script13) {
			s.readClientHello()
			s.retry(func(m *serverHello) { m.cookie13 = []byte{1} })
		}, allowed: []handshakeType{typeServerHello}},
	{state: "client13WaitEncryptedExtensions", client: true, config: testClientConfig13,
		lead:    func(s *script13) { s.readClientHello(); s.serverHello() },
		allowed: []handshakeType{typeEncryptedExtensions}},
	{state: "client13WaitCertificate", client: true, config: testClientConfig13,
		lead:    func(s *script13) { s.readClientHello(); s.serverHello(); s.encryptedExtensions() },
		allowed: []handshakeType{typeCertificate, typeCertificateRequest}},
	{state: "client13WaitCertificate", how: "after CertificateRequest", client: true,
		config: testClientConfig13,
		lead: func(s *script13) {
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions()
			s.certificateRequest()
		}, allowed: []handshakeType{typeCertificate}},
	{state: "client13WaitCertificateVerify", client: true, config: testClientConfig13,
		lead: func(s *script13) {
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions()
			s.certificate()
		},
		allowed: []handshakeType{typeCertificateVerify}},
	{state: "client13WaitFinished", client: true, config: testClientConfig13,
		lead: func(s *script13) { s.toFinished(false) }, allowed: []handshakeType{typeFinished}},
	{state: "client13WaitCertificate", how: "large records", client: true,
		config: large(testClientConfig13),
		lead: func(s *script13) {
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions(grantLarge)
		},
		allowed: []handshakeType{typeCertificate, typeCertificateRequest}},
	{state: "open13", how: "client, large records", client: true, config: large(testClientConfig13),
		lead: func(s *script13) {
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions(grantLarge)
			s.certificate()
			s.verify()
			s.finished()
			s.wantComplete()
			s.check(s.hs.deriveMaster(s.conn))
			s.flush()
			s.readClientFlight()
			s.useApplication()
		}, allowed: []handshakeType{typeKeyUpdate, typeNewSessionTicket}},
	{state: "open13", how: "client", client: true, config: testClientConfig13,
		lead:    func(s *script13) { s.completeServer(false) },
		allowed: []handshakeType{typeKeyUpdate, typeNewSessionTicket}},
}

// large returns a configuration with large records.
func large(config func() *Config) func() *Config {
	return func() *Config {
		c := config()
		c.MaxMessageSize = 1 << 20
		return c
	}
}

func grantLarge(m *encryptedExtensions) { m.largeRecordSizeLimit = limitOf(1 << 16) }

func askForLarge(m *clientHello) { m.largeRecordSizeLimit = limitOf(1 << 16) }

// wellFormedMessages13 returns a message of each type that parses in DTLS 1.3. Types that only DTLS
// 1.2 has are in the format of DTLS 1.2.
func wellFormedMessages13() map[handshakeType]message {
	request := new(certificateRequest13)
	request.signatureAlgorithms = defaultSignatureAlgorithms()
	messages := wellFormedMessages(kxECDHEECDSA)
	for _, m := range []message{
		&newSessionTicket13{lifetime: 1, ticket: []byte{1}},
		&certificate13{entries: []certificateEntry{{data: testCerts().ecdsa.Certificate[0]}}},
		request,
		&finished{make([]byte, 32)},
	} {
		messages[m.typ()] = m
	}
	return messages
}

// D1, D2, D3, A1, A5, A7: every state with every message. A message that is not allowed, including
// ChangeCipherSpec and messages that only DTLS 1.2 has, is answered with unexpected_message.
func TestAttackD1D2D3StateTable13(t *testing.T) {
	messages := wellFormedMessages13()
	for _, c := range stateCases13 {
		everyMessage(t, c.state, c.how, c.allowed, nil, func(t *testing.T) *script13 {
			s := newScript13(t, !c.client, c.config())
			c.lead(s)
			return s
		}, func(*script13) map[handshakeType]message { return messages })
	}
}
