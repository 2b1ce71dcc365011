package dtlscore

import (
	"crypto/tls"
	"slices"
	"strconv"

	"golang.org/x/crypto/cryptobyte"
)

// A place is a message in which extensions stand; several places are a set.
type place uint8

const (
	inClientHello place = 1 << iota
	inServerHello12
	inServerHello13
	inHelloRetryRequest
	inEncryptedExtensions
	inCertificate // of version 1.3, as the following
	inCertificateRequest
	inNewSessionTicket
)

// extensions are the extensions of one message, of any kind. Each message
// uses the fields that have a meaning there. Where a message carries a single
// value, an answer, in place of a list, the list has that one element.
//
// seen is set by parsing alone; the other fields say as well what is to be
// sent. A slice that is not nil is sent, even if empty, where that is allowed.
type extensions struct {
	seen []extensionType // all that were in the message, unknown ones included

	serverName              string // the client's wish
	serverNameUsed          bool   // the server's answer
	statusRequest           bool   // OCSP asked for; in a ServerHello: CertificateStatus follows
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
	keyShares               []keyShare // in a HelloRetryRequest: a group without data
	certificateAuthorities  [][]byte   // DER of names
	renegotiationInfo       []byte
	largeRecordSizeLimit    []byte // whole: see large.go
	earlyData               bool
	maxEarlyData            uint32 // in NewSessionTicket
	pskModes                []uint8
	identities              []pskIdentity
	binders                 [][]byte
	pskSelected             bool // in a ServerHello: selectedIdentity is set
	selectedIdentity        uint16
}

// A keyShare is RFC 8446, Section 4.2.8.
type keyShare struct {
	group tls.CurveID
	data  []byte
}

// A pskIdentity is RFC 8446, Section 4.2.11.
type pskIdentity struct {
	identity            []byte
	obfuscatedTicketAge uint32
}

// An extension knows how one type of extension is read and written, and where
// it may stand. parse reports whether the form was right by an error of its
// own or by what remains in s, which must be nothing.
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

// has reports whether a message that was parsed had an extension.
func (e *extensions) has(t extensionType) bool { return slices.Contains(e.seen, t) }

// sends reports whether a message of ours has an extension.
func (e *extensions) sends(t extensionType, in place) bool {
	x := lookupExtension(t)
	return x != nil && x.places&in != 0 && x.isSet(e, in)
}

// unsolicited fails if e, the answer, has an extension that is not in our
// request. In the except list is what may come unasked.
// RFC 8446, Section 4.2; RFC 5246, Section 7.4.1.4.
func (e *extensions) unsolicited(request *extensions, in place, except ...extensionType) error {
	for _, t := range e.seen {
		if !request.sends(t, in) && !slices.Contains(except, t) {
			return misbehaved(AlertUnsupportedExtension, "%v was not asked for", t)
		}
	}
	return nil
}

// marshal appends the extensions that are set and may stand in a message, in
// the order of the table.
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

// marshalOptional leaves the field out if it would be empty, as hellos of
// version 1.2 do.
func (e *extensions) marshalOptional(b *cryptobyte.Builder, in place) {
	for i := range extensionTable {
		if x := &extensionTable[i]; x.places&in != 0 && x.isSet(e, in) {
			e.marshal(b, in)
			return
		}
	}
}

// parse reads a field of extensions off the front of s.
func (e *extensions) parse(s *cryptobyte.String, in place) error {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return malformed("length of extensions")
	}
	var seen [1 << 16 / 64]uint64 // a bit for each type, so that time is linear: E9
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
			continue // whether it may be here is the receiver's to say: unsolicited
		}
		if x.places&in == 0 {
			return illegal("%v in a message where it must not be", t)
		}
		if err := x.parse(e, in, &data); err != nil {
			return err
		}
		if !data.Empty() {
			return malformed("%v", t)
		}
	}
	// The binders in it cover all that is before them. RFC 8446, Section 4.2.11.
	if in == inClientHello && len(e.binders) > 0 && e.seen[len(e.seen)-1] != extPreSharedKey {
		return illegal("%v is not the last extension", extPreSharedKey)
	}
	return nil
}

// parseOptional reads all of s, which is empty if there are no extensions.
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

// listsExtension looks ahead whether a field of extensions has one of type t.
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
