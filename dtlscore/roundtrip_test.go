package dtlscore

import (
	"bytes"
	"crypto/tls"
	"math/rand"
	"reflect"
	"testing"
	"testing/quick"
)

// A source generates the fields of random messages.
type source struct{ *rand.Rand }

func (r source) bytes(min, max int) []byte {
	b := make([]byte, min+r.Intn(max-min+1))
	r.Read(b)
	return b
}

func (r source) yes() bool { return r.Intn(2) == 0 }

func (r source) strings() (list []string) {
	for range r.Intn(4) {
		list = append(list, string(r.bytes(1, 20)))
	}
	return list
}

func (r source) vectors(min int) (list [][]byte) {
	for range r.Intn(4) {
		list = append(list, r.bytes(min, 255))
	}
	return list
}

func uint16s[T ~uint16](r source) (list []T) {
	for range r.Intn(5) {
		list = append(list, T(r.Uint32()))
	}
	return list
}

// distinct generates key shares of different groups.
func distinct(r source) (shares []keyShare) {
	shares = []keyShare{}
	group := tls.CurveID(r.Intn(1000))
	for range r.Intn(4) {
		group += 1 + tls.CurveID(r.Intn(1000))
		shares = append(shares, keyShare{group, r.bytes(1, 100)})
	}
	return shares
}

// one shortens a list to the single element of an answer.
func one[T any](list []T) []T { return list[:min(1, len(list))] }

// extensions generates extensions that are allowed in a place.
func (r source) extensions(in place) (e extensions) {
	request := in == inClientHello
	set := func(t extensionType) bool { return lookupExtension(t).places&in != 0 && r.yes() }
	if set(extServerName) {
		if request {
			e.serverName = string(r.bytes(1, 50)) + "x" // must not end with a dot
		} else {
			e.serverNameUsed = true
		}
	}
	if set(extStatusRequest) {
		if in == inCertificate {
			e.ocspResponse = r.bytes(1, 300)
		} else {
			e.statusRequest = true
		}
	}
	if set(extSupportedGroups) {
		e.supportedGroups = uint16s[tls.CurveID](r)
	}
	if set(extPointFormats) {
		e.pointFormats = append(r.bytes(0, 3), pointFormatUncompressed)
	}
	if set(extSignatureAlgorithms) || in == inCertificateRequest {
		e.signatureAlgorithms = append(uint16s[tls.SignatureScheme](r), tls.Ed25519)
	}
	if set(extSignatureAlgorithmsCert) {
		e.signatureAlgorithmsCert = uint16s[tls.SignatureScheme](r)
	}
	if set(extALPN) {
		e.alpn = r.strings()
	}
	if set(extClientCertificateType) {
		e.clientCertificateTypes = r.bytes(1, 3)
	}
	if set(extServerCertificateType) {
		e.serverCertificateTypes = r.bytes(1, 3)
	}
	e.extendedMasterSecret = set(extExtendedMasterSecret)
	if set(extSessionTicket) {
		e.sessionTicket = r.bytes(0, 100)
	}
	if set(extRenegotiationInfo) {
		e.renegotiationInfo = r.bytes(0, 24)
	}
	if set(extSupportedVersions) || in == inServerHello13 || in == inHelloRetryRequest {
		e.supportedVersions = append(uint16s[uint16](r), VersionDTLS13)
	}
	if set(extCookie) {
		e.cookie13 = r.bytes(1, 300)
	}
	if set(extCertificateAuthorities) {
		e.certificateAuthorities = r.vectors(1)
	}
	if set(extLargeRecordSizeLimit) {
		e.largeRecordSizeLimit = r.bytes(0, 6)
	}
	if set(extEarlyData) {
		e.earlyData = true
		if in == inNewSessionTicket {
			e.maxEarlyData = r.Uint32()
		}
	}
	if set(extKeyShare) {
		e.keyShares = distinct(r)
	}
	if set(extPSKKeyExchangeModes) {
		e.pskModes = r.bytes(1, 3)
	}
	if set(extPreSharedKey) {
		if request {
			for range 1 + r.Intn(3) {
				e.identities = append(e.identities, pskIdentity{r.bytes(1, 50), r.Uint32()})
				e.binders = append(e.binders, r.bytes(32, 255))
			}
		} else {
			e.pskSelected, e.selectedIdentity = true, uint16(r.Uint32())
		}
	}
	if !request {
		e.alpn, e.clientCertificateTypes, e.serverCertificateTypes = one(e.alpn),
			one(e.clientCertificateTypes), one(e.serverCertificateTypes)
		e.supportedVersions = one(e.supportedVersions)
		if e.keyShares = one(e.keyShares); len(e.keyShares) == 0 {
			e.keyShares = nil
		} else if in == inHelloRetryRequest {
			e.keyShares[0].data = nil
		}
		if in == inServerHello12 && e.sessionTicket != nil {
			e.sessionTicket = []byte{}
		}
	}
	return e
}

func (r source) random() (b [randomLen]byte) {
	r.Read(b[:])
	return b
}

// message generates messages of all types and forms in turn.
func (r source) message() (message, messageForm) {
	psk := messageForm{version: VersionDTLS12, kx: []keyExchange{kxPSK, kxECDHEPSK}[r.Intn(2)]}
	serverHello := func(in place) *serverHello {
		m := &serverHello{uint16(r.Uint32()), r.random(), r.bytes(0, 32), uint16(r.Uint32()),
			r.extensions(in)}
		if in == inHelloRetryRequest {
			m.random = helloRetryRandom
		}
		return m
	}
	switch r.Intn(23) {
	case 0:
		return &clientHello{uint16(r.Uint32()), r.random(), r.bytes(0, 32), r.bytes(0, 255),
			append(uint16s[uint16](r), 1), append(r.bytes(0, 3), 0),
			r.extensions(inClientHello)}, messageForm{}
	case 1:
		return serverHello(inServerHello12), messageForm{}
	case 2:
		return serverHello(inServerHello13), messageForm{}
	case 3:
		return serverHello(inHelloRetryRequest), messageForm{}
	case 4:
		return &helloVerifyRequest{uint16(r.Uint32()), r.bytes(0, 255)}, messageForm{}
	case 5:
		return &encryptedExtensions{r.extensions(inEncryptedExtensions)}, form13
	case 6:
		return &certificate12{chain: r.vectors(1)}, form12
	case 7:
		return &certificate12{rawPublicKey: true, chain: [][]byte{r.bytes(1, 300)}}, formRPK
	case 8:
		m := &certificate13{context: r.bytes(0, 255)}
		for range r.Intn(3) {
			m.entries = append(m.entries, certificateEntry{r.bytes(1, 300), r.extensions(inCertificate)})
		}
		return m, form13
	case 9:
		return &certificateStatus{r.bytes(1, 300)}, form12
	case 10:
		return &serverKeyExchange{kx: kxECDHERSA, group: tls.CurveID(r.Uint32()), public: r.bytes(1, 255),
			scheme:    tls.SignatureScheme(r.Uint32()),
			signature: r.bytes(0, 300)}, messageForm{version: VersionDTLS12, kx: kxECDHERSA}
	case 11:
		m := &serverKeyExchange{kx: psk.kx, hint: r.bytes(0, 128)}
		if psk.kx == kxECDHEPSK {
			m.group, m.public = tls.CurveID(r.Uint32()), r.bytes(1, 255)
		}
		return m, psk
	case 12:
		return &certificateRequest12{r.bytes(1, 5), append(uint16s[tls.SignatureScheme](r), 1),
			r.vectors(1)}, form12
	case 13:
		return &certificateRequest13{r.bytes(0, 255), r.extensions(inCertificateRequest)}, form13
	case 14:
		return &certificateVerify{tls.SignatureScheme(r.Uint32()), r.bytes(0, 300)}, form13
	case 15:
		return &serverHelloDone{}, form12
	case 16:
		return &clientKeyExchange{kx: kxECDHEECDSA, public: r.bytes(1, 255)}, form12
	case 17:
		m := &clientKeyExchange{kx: psk.kx, identity: r.bytes(0, 128)}
		if psk.kx == kxECDHEPSK {
			m.public = r.bytes(1, 255)
		}
		return m, psk
	case 18:
		return &finished{r.bytes(1, 64)}, form13
	case 19:
		return &newSessionTicket12{r.Uint32(), r.bytes(0, 300)}, form12
	case 20:
		return &newSessionTicket13{r.Uint32(), r.Uint32(), r.bytes(0, 255), r.bytes(1, 300),
			r.extensions(inNewSessionTicket)}, form13
	case 21:
		return &keyUpdate{r.yes()}, form13
	}
	return &helloRequest{}, form12
}

// forgetSeen removes what only parsing sets.
func forgetSeen(m message) {
	for in := range placeNames {
		for _, e := range extensionsIn(m, in) {
			e.seen = nil
		}
	}
	if m, ok := m.(*certificate13); ok {
		for i := range m.entries {
			m.entries[i].seen = nil
		}
	}
}

// I3: any message can be marshaled and parsed again.
func TestAttackI3RoundTrip(t *testing.T) {
	roundTrip := func(seed int64) bool {
		m, form := source{rand.New(rand.NewSource(seed))}.message()
		b, err := appendMessage(nil, 0, m)
		if err != nil {
			t.Errorf("%+v: %v", m, err)
			return false
		}
		got, err := parseMessage(m.typ(), b[handshakeHeaderLen:], form)
		if err != nil {
			t.Errorf("%+v written as %x: %v", m, b, err)
			return false
		}
		forgetSeen(got)
		if !reflect.DeepEqual(got, m) {
			t.Errorf("%+v\nwritten as %x and read as\n%+v", m, b, got)
		}
		again, err := appendMessage(nil, 0, got)
		return err == nil && bytes.Equal(again, b)
	}
	if err := quick.Check(roundTrip, &quick.Config{MaxCount: 3000}); err != nil {
		t.Error(err)
	}
}
