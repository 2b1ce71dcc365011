package dtlscore

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// retry sends a HelloRetryRequest, which requests a key share unless the client sent one. It
// contains a cookie only if the Config asks for that, because SCTP has already verified the
// client's address. See RFC 9147, Section 5.1.
func (s *serverHandshake13) retry(c *Conn, group tls.CurveID, hasShare bool,
	raw handshakeMessage) (state, error) {
	s.received(raw)
	s.transcript.retry()
	m := &serverHello{version: VersionDTLS12, random: helloRetryRandom, suite: s.suite.id}
	m.supportedVersions = []uint16{VersionDTLS13}
	if !hasShare {
		m.keyShares = []keyShare{{group: group}}
	}
	if c.config.CookieExchange {
		m.cookie13 = make([]byte, cookieLen)
		rand.Read(m.cookie13)
	}
	return &server13WaitClientHello{s, raw.body(), group, hasShare, m.cookie13}, s.send(c, m)
}

// server13WaitClientHello waits for the second ClientHello.
type server13WaitClientHello struct {
	*serverHandshake13
	first    []byte // body of the first ClientHello
	group    tls.CurveID
	hasShare bool   // the first ClientHello had a suitable key share, which must not change
	cookie   []byte // nil if none was sent
}

func (s *server13WaitClientHello) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	offer, ok := m.(*clientHello)
	if !ok {
		return nil, unexpectedMessage(m, typeClientHello)
	}
	if err := offer.check13(); err != nil {
		return nil, err
	}
	if err := s.repeats(offer, raw.body()); err != nil {
		return nil, err
	}
	if !hmac.Equal(offer.cookie13, s.cookie) {
		return nil, illegal("wrong cookie after a HelloRetryRequest")
	}
	share, err := s.share(offer)
	if err != nil {
		return nil, err
	}
	s.offer = offer
	// The second ClientHello has new binders.
	s.psk.forget()
	s.psk, s.state = nil, ConnectionState{NegotiatedProtocol: s.state.NegotiatedProtocol,
		HelloRetryRequest: true}
	if err := s.choosePSK(c, raw, s.suite.hash); err != nil {
		return nil, err
	}
	s.agree(offer, s.suite)
	return s.answer(c, s.group, share, raw)
}

// share returns the key share for the chosen group. If the group was requested, it must be the only
// one; otherwise it must be in the first ClientHello too.
func (s *server13WaitClientHello) share(offer *clientHello) ([]byte, error) {
	if !s.hasShare && (len(offer.keyShares) != 1 || offer.keyShares[0].group != s.group) {
		return nil, illegal("no key share for group %v after a HelloRetryRequest", s.group)
	}
	i := slices.IndexFunc(offer.keyShares, func(k keyShare) bool { return k.group == s.group })
	return offer.keyShares[i].data, nil
}

// repeats checks that the second ClientHello differs from the first only where that is allowed. See
// RFC 8446, Section 4.1.2.
func (s *server13WaitClientHello) repeats(offer *clientHello, body []byte) error {
	mayChange := []extensionType{extCookie, extPreSharedKey, extEarlyData, extPadding,
		extEncryptedClientHello}
	if !s.hasShare {
		mayChange = append(mayChange, extKeyShare)
	}
	fields, extensions := s.offer.fixed(s.first, mayChange)
	fields2, extensions2 := offer.fixed(body, mayChange)
	if !bytes.Equal(fields, fields2) {
		return illegal("client changed its ClientHello after a HelloRetryRequest")
	}
	if !slices.EqualFunc(extensions, extensions2, bytes.Equal) {
		return illegal("client changed %v after a HelloRetryRequest",
			firstDifference(extensions, extensions2))
	}
	if offer.earlyData {
		return illegal("client repeated %v after a HelloRetryRequest", extEarlyData)
	}
	// Pre-shared keys may be omitted, and their ages and binders change.
	known := s.offer.identities
	for _, id := range offer.identities {
		i := slices.IndexFunc(known, func(k pskIdentity) bool {
			return bytes.Equal(k.identity, id.identity)
		})
		if i < 0 {
			return illegal("client added a pre-shared key after a HelloRetryRequest")
		}
		known = known[i+1:]
	}
	return nil
}

// fixed returns the parts of a ClientHello that must not change: everything before the extensions,
// and each extension, with its header, that is not in except. The extensions are sorted, because
// their order has no meaning (RFC 8446, Section 4.2), and wolfSSL changes it after a
// HelloRetryRequest.
func (m *clientHello) fixed(body []byte, except []extensionType) (fields []byte,
	extensions [][]byte) {
	const lengths = 1 + 1 + 2 + 1
	n := 2 + randomLen + len(m.sessionID) + len(m.cookie) + 2*len(m.suites) +
		len(m.compressionMethods) + lengths
	fields = body[:n]
	list := cryptobyte.String(body[n:])
	list.Skip(2)
	for !list.Empty() { // parsing has succeeded before
		x, data := list, cryptobyte.String{}
		var t uint16
		list.ReadUint16(&t)
		list.ReadUint16LengthPrefixed(&data)
		if !slices.Contains(except, extensionType(t)) {
			extensions = append(extensions, x[:len(x)-len(list)])
		}
	}
	slices.SortFunc(extensions, bytes.Compare)
	return fields, extensions
}

// firstDifference returns the type of the first extension in which two results of fixed differ.
func firstDifference(a, b [][]byte) extensionType {
	for len(a) > 0 && len(b) > 0 && bytes.Equal(a[0], b[0]) {
		a, b = a[1:], b[1:]
	}
	if len(a) == 0 || len(b) > 0 && bytes.Compare(b[0], a[0]) < 0 {
		a = b
	}
	return extensionType(binary.BigEndian.Uint16(a[0]))
}
