package dtlscore

import (
	"crypto/tls"
	"slices"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
)

// A place is a message that may contain extensions. Places can be combined into a set.
type place uint8

const (
	inClientHello place = 1 << iota
	inServerHello12
	inServerHello13
	inHelloRetryRequest
	inEncryptedExtensions
	inCertificate // of DTLS 1.3, as are the following
	inCertificateRequest
	inNewSessionTicket
)

// extensions holds the extensions of one message of any type. Each message uses the fields that are
// defined for it. Where a message has a single value instead of a list, the list has that one
// element.
//
// Only parse sets seen. The other fields also determine which extensions are sent. A non-nil slice
// is sent even if it is empty, where that is allowed.
type extensions struct {
	seen []extensionType // all extensions in the message, including unknown ones

	serverName              string // in the ClientHello
	serverNameUsed          bool   // in the answer
	statusRequest           bool   // OCSP requested; in a ServerHello: CertificateStatus follows
	ocspResponse            []byte // in Certificate
	supportedGroups         []tls.CurveID
	pointFormats            []uint8
	signatureAlgorithms     []tls.SignatureScheme
	signatureAlgorithmsCert []tls.SignatureScheme
	alpn                    []string
	clientCertificateTypes  []uint8
	serverCertificateTypes  []uint8
	extendedMasterSecret    bool
	sessionTicket           []byte
	supportedVersions       []uint16
	cookie13                []byte
	keyShares               []keyShare // in a HelloRetryRequest: a group without a share
	certificateAuthorities  [][]byte   // DER-encoded names
	renegotiationInfo       []byte
	largeRecordSizeLimit    []byte // uninterpreted: see large.go
	earlyData               bool
	maxEarlyData            uint32 // in NewSessionTicket
	pskModes                []uint8
	identities              []pskIdentity
	binders                 [][]byte
	pskSelected             bool // in a ServerHello: selectedIdentity is set
	selectedIdentity        uint16
}

// A keyShare is a KeyShareEntry. See RFC 8446, Section 4.2.8.
type keyShare struct {
	group tls.CurveID
	data  []byte
}

// A pskIdentity is a PskIdentity. See RFC 8446, Section 4.2.11.
type pskIdentity struct {
	identity            []byte
	obfuscatedTicketAge uint32
}

// An extension describes how one extension is parsed and marshaled, and which messages may contain
// it. parse reports a syntax error either by its result or by leaving bytes in s.
type extension struct {
	typ    extensionType
	name   string
	places place
	isSet  func(e *extensions, in place) bool
	add    func(e *extensions, in place, b *cryptobyte.Builder)
	parse  func(e *extensions, in place, s *cryptobyte.String) error
}

func (t extensionType) String() string {
	if x := lookupExtension(t); x != nil {
		return x.name
	}
	return "extension " + strconv.Itoa(int(t))
}

func lookupExtension(t extensionType) *extension {
	for i := range extensionTable {
		if extensionTable[i].typ == t {
			return &extensionTable[i]
		}
	}
	return nil
}

// has reports whether a parsed message contained the extension.
func (e *extensions) has(t extensionType) bool { return slices.Contains(e.seen, t) }

// sends reports whether one of our messages contains the extension.
func (e *extensions) sends(t extensionType, in place) bool {
	x := lookupExtension(t)
	return x != nil && x.places&in != 0 && x.isSet(e, in)
}

// unsolicited returns an error if e, an answer, contains an extension that our request did not.
// Extensions in except need not be requested. See RFC 8446, Section 4.2, and RFC 5246, Section
// 7.4.1.4.
func (e *extensions) unsolicited(request *extensions, in place, except ...extensionType) error {
	for _, t := range e.seen {
		if !request.sends(t, in) && !slices.Contains(except, t) {
			return misbehaved(AlertUnsupportedExtension, "%v was not requested", t)
		}
	}
	return nil
}

// marshal appends the extensions that are set and allowed in the message, in the order of
// extensionTable.
func (e *extensions) marshal(b *cryptobyte.Builder, in place) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for i := range extensionTable {
			x := &extensionTable[i]
			if x.places&in == 0 || !x.isSet(e, in) {
				continue
			}
			b.AddUint16(uint16(x.typ))
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { x.add(e, in, b) })
		}
	})
}

// marshalOptional omits the whole field if it would be empty, as in hello messages of DTLS 1.2.
func (e *extensions) marshalOptional(b *cryptobyte.Builder, in place) {
	for i := range extensionTable {
		if x := &extensionTable[i]; x.places&in != 0 && x.isSet(e, in) {
			e.marshal(b, in)
			return
		}
	}
}

// parse reads an extensions field from the front of s.
func (e *extensions) parse(s *cryptobyte.String, in place) error {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return malformed("length of extensions")
	}
	// one bit for each type, so that parsing takes linear time: attack E9
	var seen [1 << 16 / 64]uint64
	for !list.Empty() {
		var n uint16
		var data cryptobyte.String
		if !list.ReadUint16(&n) || !list.ReadUint16LengthPrefixed(&data) {
			return malformed("list of extensions")
		}
		t := extensionType(n)
		if bit := uint64(1) << (t % 64); seen[t/64]&bit != 0 {
			return illegal("%v twice in one message", t)
		} else {
			seen[t/64] |= bit
		}
		e.seen = append(e.seen, t)
		x := lookupExtension(t)
		if x == nil {
			continue // the receiver decides whether it is allowed: see unsolicited
		}
		if x.places&in == 0 {
			return illegal("%v is not allowed in this message", t)
		}
		if err := x.parse(e, in, &data); err != nil {
			return err
		}
		if !data.Empty() {
			return malformed("%v", t)
		}
	}
	// The binders cover everything before them, so pre_shared_key must come last. RFC 8446, Section
	// 4.2.11.
	if in == inClientHello && len(e.binders) > 0 && e.seen[len(e.seen)-1] != extPreSharedKey {
		return illegal("%v is not the last extension", extPreSharedKey)
	}
	return nil
}

// parseOptional reads all of s, which is empty if the message has no extensions field.
func (e *extensions) parseOptional(s cryptobyte.String, in place) error {
	if s.Empty() {
		return nil
	}
	if err := e.parse(&s, in); err != nil {
		return err
	}
	if !s.Empty() {
		return malformed("bytes after the extensions")
	}
	return nil
}

// listsExtension reports whether the extensions field s contains type t, without consuming s.
func listsExtension(s cryptobyte.String, t extensionType) bool {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for {
		var n uint16
		var data cryptobyte.String
		if !list.ReadUint16(&n) || !list.ReadUint16LengthPrefixed(&data) {
			return false
		}
		if extensionType(n) == t {
			return true
		}
	}
}

func containsByte(list []uint8, v uint8) bool { return slices.Contains(list, v) }
