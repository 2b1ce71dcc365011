package dtlscore

import (
	"crypto"
	"crypto/tls"
	"encoding/binary"
	"slices"
	"testing"
)

// A script13 is a script for DTLS 1.3.
type script13 struct {
	*script
	hs         handshake13
	keys       []*ephemeralKey
	psks       []*offeredPSK // that a scripted client offers
	request    *certificateRequest13
	answer     *serverHello // of the connection that is tested
	group      tls.CurveID  // that a scripted server takes
	afterwards *open13
}

func newScript13(t *testing.T, isClient bool, under *Config) *script13 {
	t.Helper()
	s := &script13{script: newScript(t, isClient, under), group: tls.X25519}
	s.hs.transcript = newTranscript()
	return s
}

func newScriptedClient13(t *testing.T, server *Config) *script13 {
	t.Helper()
	return newScript13(t, true, server)
}

func newScriptedServer13(t *testing.T, client *Config) *script13 {
	t.Helper()
	return newScript13(t, false, client)
}

// send sends a message and adds it to the transcript.
func (s *script13) send(m message) {
	s.t.Helper()
	if err := s.hs.send(s.conn, m); err != nil {
		s.t.Fatalf("script: sending %v: %v", m.typ(), err)
	}
	s.flush()
}

// read returns in m the next message of the tested connection, which must have its type, and adds
// it to the transcript.
func (s *script13) read(m message) {
	s.t.Helper()
	_, content := s.readRecord(contentHandshake)
	h, body, rest, err := parseFragment(content)
	if err != nil {
		s.t.Fatal(err)
	}
	if h.typ != m.typ() || h.fragmentLength != h.length || len(rest) > 0 {
		s.t.Fatalf("script: got %v, want %v\n%q", h.typ, m.typ(), s.under.story)
	}
	if err := m.parse(slices.Clone(body)); err != nil {
		s.t.Fatal(err)
	}
	s.hs.transcript.add(h.typ, h.seq, body)
}

// readRecord returns the content and the number of the next record.
func (s *script13) readRecord(t contentType) (recordNumber, []byte) {
	s.t.Helper()
	if s.seen == len(s.under.sent) {
		s.t.Fatalf("script: nothing was sent, want %v\n%q\n%v", t, s.under.story, s.under.err)
	}
	record := slices.Clone(s.under.sent[s.seen].bytes)
	s.seen++
	number, typ, content := s.open(record)
	if typ != t {
		s.t.Fatalf("script: got %v, want %v\n%q", typ, t, s.under.story)
	}
	return number, content
}

// open decrypts a record of the tested connection.
func (s *script13) open(record []byte) (recordNumber, contentType, []byte) {
	s.t.Helper()
	if !isUnified(record[0]) {
		h, content, err := parseRecord(record)
		if err != nil {
			s.t.Fatalf("script: %v", err)
		}
		return recordNumber{0, h.sequence}, h.typ, content
	}
	p := s.conn.in.v13.epoch(record[0] & unifiedEpoch)
	if p == nil {
		s.t.Fatalf("script: got a record of epoch %d\n%q", record[0]&unifiedEpoch, s.under.story)
	}
	h, err := parseUnified(record, p.form)
	if err != nil {
		s.t.Fatalf("script: %v", err)
	}
	typ, sequence, content, err := p.open(h, record)
	if err != nil {
		s.t.Fatalf("script: %v", err)
	}
	return recordNumber{p.epoch, sequence}, typ, content
}

// wantACK checks that the next record is an ACK for these records.
func (s *script13) wantACK(want ...recordNumber) {
	s.t.Helper()
	number, content := s.readRecord(contentACK)
	if number.epoch < epochApplication {
		s.t.Errorf("ACK in epoch %d", number.epoch)
	}
	if got := must(parseACK(content)); !slices.Equal(got, want) {
		s.t.Errorf("ACK of %v, want %v", got, want)
	}
}

// last returns the number of the record that the script sent last.
func (s *script13) last() recordNumber {
	return recordNumber{s.conn.sent.number, s.conn.sent.next.Load() - 1}
}

func (s *script13) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatalf("script: %v", err)
	}
}

// The steps of a client.

// clientHello sends a correct ClientHello, with changes.
func (s *script13) clientHello(changes ...func(*clientHello)) {
	s.t.Helper()
	c := &Conn{config: testClientConfig13(), isClient: true}
	wait := &clientWaitServerHello{hello: must(c.newClientHello())}
	s.check(wait.offer13(c))
	s.offer, s.keys = wait.hello, wait.keys
	if s.psks != nil {
		s.offer.pskModes = []uint8{pskModeDHEKE}
		s.check(c.bindPSKs(s.offer, s.psks, newTranscript()))
	}
	for _, change := range changes {
		change(s.offer)
	}
	s.send(s.offer)
}

// readServerHello also installs the keys of epoch 2.
func (s *script13) readServerHello() {
	s.t.Helper()
	s.answer = new(serverHello)
	s.read(s.answer)
	if s.hs.suite == nil {
		s.hs.choose(s.conn, s.offer, suiteByID(s.answer.suite, VersionDTLS13))
	}
	share := s.answer.keyShares[0]
	i := slices.IndexFunc(s.keys, func(k *ephemeralKey) bool { return k.group == share.group })
	s.check(s.hs.deriveHandshake(s.conn, must(s.keys[i].agree(share.data))))
	s.flush()
}

// readRetry reads a HelloRetryRequest.
func (s *script13) readRetry() {
	s.t.Helper()
	s.answer = new(serverHello)
	_, content := s.readRecord(contentHandshake)
	h, body, _, err := parseFragment(content)
	s.check(err)
	s.check(s.answer.parse(body))
	if !s.answer.isRetry() {
		s.t.Fatal("script: want a HelloRetryRequest")
	}
	s.hs.choose(s.conn, s.offer, suiteByID(s.answer.suite, VersionDTLS13))
	s.hs.transcript.retry()
	s.hs.transcript.add(h.typ, h.seq, body)
}

// secondHello answers a HelloRetryRequest.
func (s *script13) secondHello(changes ...func(*clientHello)) {
	s.t.Helper()
	group := s.answer.keyShares[0].group
	s.keys = []*ephemeralKey{must(generateKey(group))}
	s.offer.keyShares = []keyShare{{group, s.keys[0].share()}}
	for _, change := range changes {
		change(s.offer)
	}
	s.send(s.offer)
}

// serverFlight reads everything up to Finished.
func (s *script13) serverFlight() {
	s.t.Helper()
	s.readServerHello()
	ee := new(encryptedExtensions)
	s.read(ee)
	s.large(s.offer.largeRecordSizeLimit, ee.largeRecordSizeLimit)
	if s.hs.psk == nil {
		if s.under.conn.config.ClientAuth != tls.NoClientCert {
			s.request = new(certificateRequest13)
			s.read(s.request)
		}
		s.read(new(certificate13))
		s.read(new(certificateVerify))
	}
	s.readFinished()
	s.check(s.hs.deriveMaster(s.conn))
	s.conn.in.v13.epochs = append(s.conn.in.v13.epochs, must(s.hs.readEpoch(s.conn, epochApplication)))
}

// completeClient makes a complete handshake as a correct client.
func (s *script13) completeClient() {
	s.t.Helper()
	s.clientHello()
	s.serverFlight()
	s.clientFlight()
	s.readRecord(contentACK)
}

// clientFlight sends everything from Certificate, if requested, to Finished.
func (s *script13) clientFlight() {
	s.t.Helper()
	if s.request != nil {
		s.certificate()
		s.verify()
	}
	s.finished()
	s.useApplication()
	s.wantComplete()
}

// The steps of a server.

func (s *script13) readClientHello() {
	s.t.Helper()
	s.offer = new(clientHello)
	s.read(s.offer)
}

func (s *script13) newServerHello() *serverHello {
	m := &serverHello{version: VersionDTLS12, suite: TLS_AES_128_GCM_SHA256}
	m.supportedVersions = []uint16{VersionDTLS13}
	return m
}

// retry sends a HelloRetryRequest, with changes that say what it requests.
func (s *script13) retry(changes ...func(*serverHello)) {
	s.t.Helper()
	m := s.newServerHello()
	m.random = helloRetryRandom
	for _, change := range changes {
		change(m)
	}
	if suite := suiteByID(m.suite, VersionDTLS13); suite != nil {
		s.hs.choose(s.conn, s.offer, suite)
		s.hs.transcript.retry()
	}
	s.send(m)
}

func (s *script13) serverHello(changes ...func(*serverHello)) {
	s.t.Helper()
	m := s.newServerHello()
	i := slices.IndexFunc(s.offer.keyShares,
		func(share keyShare) bool { return share.group == s.group })
	share, shared, err := respond(s.group, s.offer.keyShares[i].data)
	s.check(err)
	m.keyShares = []keyShare{{s.group, share}}
	for _, change := range changes {
		change(m)
	}
	if suite := suiteByID(m.suite, VersionDTLS13); suite != nil && s.hs.suite == nil {
		s.hs.choose(s.conn, s.offer, suite)
	}
	s.send(m)
	if s.hs.suite != nil {
		s.check(s.hs.deriveHandshake(s.conn, shared))
		s.flush()
	}
}

func (s *script13) encryptedExtensions(changes ...func(*encryptedExtensions)) {
	s.t.Helper()
	m := new(encryptedExtensions)
	for _, change := range changes {
		change(m)
	}
	s.send(m)
	s.large(m.largeRecordSizeLimit, s.offer.largeRecordSizeLimit)
}

// large handles the large_record_size_limit of both ends.
func (s *script13) large(own, peers []byte) {
	if len(own) == 4 && len(peers) == 4 {
		s.hs.read = recordForm{large: true, limit: int(binary.BigEndian.Uint32(own))}
		s.hs.write = recordForm{large: true, limit: int(binary.BigEndian.Uint32(peers))}
	}
}

func (s *script13) certificateRequest(changes ...func(*certificateRequest13)) {
	s.t.Helper()
	s.request = new(certificateRequest13)
	s.request.signatureAlgorithms = defaultSignatureAlgorithms()
	for _, change := range changes {
		change(s.request)
	}
	s.send(s.request)
}

// readClientFlight reads everything from Certificate, if requested, to Finished.
func (s *script13) readClientFlight() {
	s.t.Helper()
	if s.request != nil {
		s.read(new(certificate13))
		s.read(new(certificateVerify))
	}
	s.readFinished()
	s.conn.in.v13.epochs = []*protection13{must(s.hs.readEpoch(s.conn, epochApplication))}
}

// toFinished sends a server's flight up to Finished.
func (s *script13) toFinished(asks bool) {
	s.t.Helper()
	s.readClientHello()
	s.serverHello()
	s.encryptedExtensions()
	if asks {
		s.certificateRequest()
	}
	s.certificate()
	s.verify()
}

// completeServer makes a complete handshake as a correct server, which requests a certificate if
// asks is set.
func (s *script13) completeServer(asks bool) {
	s.t.Helper()
	s.toFinished(asks)
	s.finished()
	s.wantComplete()
	s.check(s.hs.deriveMaster(s.conn))
	s.flush()
	s.readClientFlight()
	s.useApplication()
}

// The steps of both.

func (s *script13) certificate(changes ...func(*certificate13)) {
	s.t.Helper()
	m := new(certificate13)
	for _, der := range s.cert.Certificate {
		m.entries = append(m.entries, certificateEntry{data: der})
	}
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

func (s *script13) context() string {
	if s.conn.isClient {
		return contextClientSignature
	}
	return contextServerSignature
}

// verify signs with a scheme that fits the key.
func (s *script13) verify(changes ...func(*certificateVerify)) {
	s.t.Helper()
	signer := s.cert.PrivateKey.(crypto.Signer)
	m := &certificateVerify{scheme: must(chooseSignature(signer.Public(), nil,
		defaultSignatureAlgorithms(), VersionDTLS13))}
	m.signature = must(sign(signer, m.scheme, signed13(s.context(), s.hs.transcript.sum())))
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

func (s *script13) finished(changes ...func(*finished)) {
	s.t.Helper()
	m := s.hs.finished(s.conn.isClient)
	for _, change := range changes {
		change(m)
	}
	s.send(m)
}

func (s *script13) readFinished() {
	s.t.Helper()
	want := s.hs.finished(!s.conn.isClient).verifyData
	m := new(finished)
	s.read(m)
	if !slices.Equal(m.verifyData, want) {
		s.t.Fatal("script: Finished does not verify")
	}
}

// useApplication makes the script send in epoch 3.
func (s *script13) useApplication() {
	s.t.Helper()
	s.conn.writeIn(must(s.hs.writeEpoch(s.conn, epochApplication)))
	s.flush()
	open := s.hs.open(s.conn)
	s.afterwards = &open
}

// wantComplete checks that the handshake is complete. A client may not have been notified yet.
func (s *script13) wantComplete() {
	s.t.Helper()
	c := s.under.conn
	if s.under.err != nil || !c.agreed.HandshakeComplete || !c.isClient && s.under.done != 1 {
		s.t.Fatalf("handshake is not complete: %v\n%q", s.under.err, s.under.story)
	}
}

// sendData sends application data on another stream.
func (s *script13) sendData(data string) {
	record := must(s.conn.written.seal(nil, contentApplicationData, []byte(data)))
	s.under.receive(testRecord{record, false})
}
