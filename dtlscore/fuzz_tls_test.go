package dtlscore

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// crypto/tls parses the messages that DTLS shares with TLS too. Both implementations must accept
// the same messages, and parse a ClientHello alike, except for differences.

func FuzzTLSClientHello(f *testing.F) {
	f.Add(largestHello)
	for _, s := range samples() {
		if s.m.typ() == typeClientHello {
			f.Add(s.body.bytes())
		}
	}
	for _, hello := range []*tlsServer{tlsServer12(), tlsServer13()} {
		// With an empty cookie.
		f.Add(slices.Insert(slices.Clone(hello.hello[4:]), 2+randomLen+1+int(hello.hello[4+2+randomLen]),
			0))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzcount.Input(len(body))
		converted, ok := toTLS(typeClientHello, body)
		if !ok || len(converted) > maxTLSMessage {
			return
		}
		m := new(clientHello)
		err := m.parse(body)
		info, tlsErr := readTLSClientHello(converted)
		mustAgree(t, m, body, err, info == nil, tlsErr)
		if err != nil || info == nil {
			return
		}
		same := slices.Equal(m.suites, info.CipherSuites) && m.serverName == info.ServerName &&
			slices.Equal(m.supportedGroups, info.SupportedCurves) &&
			bytes.Equal(m.pointFormats, info.SupportedPoints) &&
			slices.Equal(m.signatureAlgorithms, info.SignatureSchemes) &&
			slices.Equal(m.alpn, info.SupportedProtos) &&
			slices.EqualFunc(m.seen, info.Extensions,
				func(a extensionType, b uint16) bool { return uint16(a) == b }) &&
			(len(m.supportedVersions) == 0 || slices.EqualFunc(m.supportedVersions, info.SupportedVersions,
				func(a, b uint16) bool { return otherVersion(a) == b }))
		if !same {
			t.Fatalf("%x read as\n%+v\nand by crypto/tls as\n%+v", body, m, info)
		}
	})
}

func FuzzTLSMessage12(f *testing.F) { fuzzTLSMessage(f, VersionDTLS12) }
func FuzzTLSMessage13(f *testing.F) { fuzzTLSMessage(f, VersionDTLS13) }

func fuzzTLSMessage(f *testing.F, version uint16) {
	for _, s := range samples() {
		if s.m.typ() == typeServerHello || s.form.version == version && !s.form.rawPublicKeys {
			f.Add(byte(s.m.typ()), s.body.bytes())
		}
	}
	form := messageForm{version: version, kx: kxECDHEECDSA}
	server := tlsServer12()
	if version == VersionDTLS13 {
		server = tlsServer13()
		for _, m := range tlsMessages13() {
			f.Add(m[0], m[4:])
		}
	}
	f.Fuzz(func(t *testing.T, n byte, body []byte) {
		fuzzcount.Input(1 + len(body))
		typ := handshakeType(n)
		switch typ {
		case typeClientHello, typeHelloVerifyRequest: // has a target of its own; does not exist in TLS
			return
		case typeServerKeyExchange, typeClientKeyExchange: // crypto/tls parses their contents later
			return
		}
		converted, ok := toTLS(typ, body)
		if !ok || len(converted) > maxTLSMessage || newMessage(typ, form) == nil {
			return
		}
		m := newMessage(typ, form)
		err := m.parse(body)
		tlsErr := server.read(converted)
		mustAgree(t, m, body, err, malformedForTLS(tlsErr), tlsErr)
	})
}

func mustAgree(t *testing.T, m message, body []byte, err error, tlsRefuses bool, tlsErr error) {
	t.Helper()
	if (err != nil) == tlsRefuses {
		return
	}
	for _, d := range differences {
		if d.typ != anyMessage && d.typ != m.typ() || d.laxer != (err == nil) {
			continue
		}
		if d.laxer && d.has(m) || !d.laxer && strings.Contains(err.Error(), d.text) {
			return
		}
	}
	t.Fatalf("%v %x: error %v, of crypto/tls %v", m.typ(), body, err, tlsErr)
}

const anyMessage = handshakeType(255)

// A difference is a message that one of the two implementations accepts and the other rejects.
type difference struct {
	typ   handshakeType
	laxer bool               // we accept it, crypto/tls does not
	text  string             // part of our error, if we are stricter
	has   func(message) bool // what is special about the message, if we are laxer
}

var differences = []difference{
	// Extensions that we do not implement are ignored, whatever their contents:
	// signed_certificate_timestamp, encrypted_client_hello.
	{typ: typeClientHello, laxer: true, has: hasExtension(18, 0xfe0d)},
	{typ: typeServerHello, laxer: true, has: hasExtension(18)},
	{typ: typeCertificate, laxer: true, has: hasExtension(18)},
	{typ: typeCertificateRequest, laxer: true, has: hasExtension(18)},
	// A status_request of a type other than OCSP.
	{typ: typeClientHello, laxer: true, has: hasExtension(extStatusRequest)},
	// A context, which belongs to post-handshake authentication. The state that receives the
	// message rejects it.
	{typ: typeCertificate, laxer: true, has: hasContext},
	{typ: typeCertificateRequest, laxer: true, has: hasContext},

	// RFC 8446, Section 4.2: each extension at most once, and only where it is allowed.
	{typ: anyMessage, text: "twice in one message"},
	{typ: anyMessage, text: "is not allowed in this message"},
	// crypto/tls ignores extensions that it does not use.
	{typ: typeClientHello, text: "certificate_type"},
	{typ: typeClientHello, text: "certificate_authorities"},
	{typ: typeEncryptedExtensions, text: "certificate_type"},
	{typ: typeEncryptedExtensions, text: "supported_groups"},
	{typ: typeServerHello, text: "certificate_type"},
	{typ: typeCertificate, text: "status_request"}, // of a certificate other than the first
	// crypto/tls checks some things when it uses them, and others never: a long session_id, no
	// cipher suites, no compression methods.
	{typ: typeClientHello, text: "malformed message from peer: ClientHello"},
	{typ: typeClientHello, text: "without the null compression method"},
	{typ: typeServerHello, text: "malformed message from peer: ServerHello"}, // a long session_id
	{typ: typeServerHello, text: "compression method"},
	{typ: anyMessage, text: "without the uncompressed format"},
	{typ: typeClientHello, text: "two key shares for group"},
	// Empty, or in the form of a HelloRetryRequest, or the reverse.
	{typ: typeServerHello, text: "key_share"},
	{typ: typeClientHello, text: "psk_key_exchange_modes"},
	{typ: typeClientHello, text: "binders"}, // shorter than a hash, or not one for each identity
	{typ: typeCertificateRequest, text: "without signature_algorithms"},
	// An empty name.
	{typ: typeCertificateRequest, text: "malformed message from peer: CertificateRequest"},
	// An empty certificate.
	{typ: typeCertificate, text: "malformed message from peer: Certificate"},
	{typ: typeCertificate, text: "malformed message from peer: entry of Certificate"},
	// An empty ticket in DTLS 1.3.
	{typ: typeNewSessionTicket, text: "malformed message from peer: NewSessionTicket"},
	{typ: typeFinished, text: "empty Finished"},
}

// hasExtension reports whether a message has one of these extensions.
func hasExtension(types ...extensionType) func(message) bool {
	return func(m message) bool {
		for in := range placeNames {
			for _, e := range extensionsIn(m, in) {
				if slices.ContainsFunc(types, e.has) {
					return true
				}
			}
		}
		return false
	}
}

func hasContext(m message) bool {
	switch m := m.(type) {
	case *certificate13:
		return len(m.context) > 0
	case *certificateRequest13:
		return len(m.context) > 0
	}
	return false
}

// maxTLSMessage is the largest message, except Certificate, that crypto/tls accepts.
const maxTLSMessage = 1 << 16

// otherVersion returns the TLS version of a DTLS version, and the reverse.
func otherVersion(v uint16) uint16 {
	pairs := map[uint16]uint16{VersionDTLS12: tls.VersionTLS12, VersionDTLS13: tls.VersionTLS13,
		tls.VersionTLS12: VersionDTLS12, tls.VersionTLS13: VersionDTLS13}
	if other, ok := pairs[v]; ok {
		return other
	}
	return v
}

// toTLS converts the body of a DTLS message to a TLS message, which has other version numbers and
// no cookie in its ClientHello. ok is false if the cookie cannot be found.
func toTLS(typ handshakeType, body []byte) (message []byte, ok bool) {
	body = slices.Clone(body)
	if typ == typeClientHello || typ == typeServerHello {
		if body, ok = helloToTLS(body, typ == typeClientHello); !ok {
			return nil, false
		}
	}
	n := len(body)
	return append([]byte{byte(typ), byte(n >> 16), byte(n >> 8), byte(n)}, body...), true
}

func helloToTLS(body []byte, isClient bool) (out []byte, ok bool) {
	swap := func(b []byte) { binary.BigEndian.PutUint16(b, otherVersion(binary.BigEndian.Uint16(b))) }
	s := cryptobyte.String(body)
	var ignored, cookie cryptobyte.String
	if !s.Skip(2+randomLen) || !s.ReadUint8LengthPrefixed(&ignored) {
		return nil, false
	}
	swap(body)
	start := len(body) - len(s)
	if isClient && !s.ReadUint8LengthPrefixed(&cookie) {
		return nil, false
	}
	out = append(slices.Clip(body[:start]), s...)
	s = cryptobyte.String(out[start:])
	if isClient && (!s.ReadUint16LengthPrefixed(&ignored) || !s.ReadUint8LengthPrefixed(&ignored)) ||
		!isClient && !s.Skip(3) {
		return out, true
	}
	var list, data cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return out, true
	}
	for n := uint16(0); list.ReadUint16(&n) && list.ReadUint16LengthPrefixed(&data); {
		if extensionType(n) != extSupportedVersions {
			continue
		}
		if isClient && len(data) > 0 {
			data = data[1:]
		}
		for ; len(data) >= 2; data = data[2:] {
			swap(data)
		}
	}
	return out, true
}

// readTLSClientHello makes a server parse a ClientHello. It returns nil if that is malformed.
func readTLSClientHello(message []byte) (info *tls.ClientHelloInfo, err error) {
	enough := errors.New("it has been read")
	err = tls.Server(&tlsWire{in: bytes.NewReader(tlsRecords(message))}, &tls.Config{
		GetConfigForClient: func(i *tls.ClientHelloInfo) (*tls.Config, error) {
			info = i
			return nil, enough
		},
	}).Handshake()
	return info, err
}

// A tlsServer has received a ClientHello. It parses any message before it checks the type.
type tlsServer struct {
	hello []byte
	read  func(message []byte) error
}

func malformedForTLS(err error) bool {
	return strings.HasSuffix(err.Error(),
		"error decoding message")
}

func tlsConfig(version uint16) *tls.Config {
	return &tls.Config{
		Certificates: []tls.Certificate{goldenCerts().ecdsa}, NextProtos: []string{"x"},
		InsecureSkipVerify: true,
		MinVersion:         version, MaxVersion: version, CurvePreferences: []tls.CurveID{tls.X25519},
		SessionTicketsDisabled: true,
	}
}

var tlsServer12 = sync.OnceValue(func() *tlsServer {
	config := tlsConfig(tls.VersionTLS12)
	client := &tlsWire{in: bytes.NewReader(nil)}
	tls.Client(client, config).Handshake() // fails, because nothing answers
	records := client.out.Bytes()
	return &tlsServer{records[5:], func(message []byte) error {
		return tls.Server(&tlsWire{in: bytes.NewReader(append(slices.Clip(records),
			tlsRecords(message)...))}, config).Handshake()
	}}
})

// TLS 1.3 would encrypt its records; QUIC has none.
var tlsServer13 = sync.OnceValue(func() *tlsServer {
	config := &tls.QUICConfig{TLSConfig: tlsConfig(tls.VersionTLS13)}
	start := func(side func(*tls.QUICConfig) *tls.QUICConn) *tls.QUICConn {
		c := side(config)
		c.SetTransportParameters([]byte{})
		must(0, c.Start(context.Background()))
		return c
	}
	client := start(tls.QUICClient)
	defer client.Close()
	event := client.NextEvent()
	for event.Kind != tls.QUICWriteData {
		event = client.NextEvent()
	}
	hello := slices.Clone(event.Data)
	return &tlsServer{hello, func(message []byte) error {
		c := start(tls.QUICServer)
		defer c.Close()
		must(0, c.HandleData(tls.QUICEncryptionLevelInitial, hello))
		if err := c.HandleData(tls.QUICEncryptionLevelHandshake, message); err != nil {
			return err
		}
		return errors.New("it waits for more")
	}}
})

// tlsMessages13 returns the protected messages of a handshake between two ends of crypto/tls with
// certificates.
func tlsMessages13() (messages [][]byte) {
	config := tlsConfig(tls.VersionTLS13)
	config.ClientAuth, config.SessionTicketsDisabled = tls.RequireAnyClientCert, false
	ends := []*tls.QUICConn{tls.QUICClient(&tls.QUICConfig{TLSConfig: config}),
		tls.QUICServer(&tls.QUICConfig{TLSConfig: config})}
	for _, c := range ends {
		defer c.Close()
		c.SetTransportParameters([]byte{})
		must(0, c.Start(context.Background()))
	}
	for quiet := 0; quiet < len(ends); ends[0], ends[1] = ends[1], ends[0] {
		quiet++
		for event := ends[0].NextEvent(); event.Kind != tls.QUICNoEvent; event = ends[0].NextEvent() {
			switch {
			case event.Kind == tls.QUICHandshakeDone && quiet == 1 && len(messages) > 0:
				ends[0].SendSessionTicket(tls.QUICSessionTicketOptions{}) // if it is the server
			case event.Kind == tls.QUICWriteData:
				quiet = 0
				data := slices.Clone(event.Data)
				must(0, ends[1].HandleData(event.Level, data))
				for event.Level != tls.QUICEncryptionLevelInitial && len(data) > 0 {
					n := 4 + int(data[1])<<16 + int(data[2])<<8 + int(data[3])
					messages, data = append(messages, data[:n]), data[n:]
				}
			}
		}
	}
	return messages
}

// tlsRecords splits a message into records.
func tlsRecords(message []byte) (records []byte) {
	for part := range slices.Chunk(message, maxPlaintext) {
		records = append(records, byte(contentHandshake), 3, 3, byte(len(part)>>8), byte(len(part)))
		records = append(records, part...)
	}
	return records
}

// A tlsWire is a connection that has received something, and receives nothing more.
type tlsWire struct {
	in  io.Reader
	out bytes.Buffer
}

func (s *tlsWire) Read(b []byte) (int, error)     { return s.in.Read(b) }
func (s *tlsWire) Write(b []byte) (int, error)    { return s.out.Write(b) }
func (*tlsWire) Close() error                     { return nil }
func (*tlsWire) LocalAddr() net.Addr              { return nil }
func (*tlsWire) RemoteAddr() net.Addr             { return nil }
func (*tlsWire) SetDeadline(time.Time) error      { return nil }
func (*tlsWire) SetReadDeadline(time.Time) error  { return nil }
func (*tlsWire) SetWriteDeadline(time.Time) error { return nil }
