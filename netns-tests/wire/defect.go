package wire

import "fmt"

// A Kind says which rule a [Defect] breaks.
type Kind string

const (
	Malformed       Kind = "malformed"             // a packet or chunk that cannot be parsed
	WrongChecksum   Kind = "wrong checksum"        // RFC 9260, Section 6.8
	Fragmented      Kind = "IP fragments"          // RFC 9260, Section 6.10
	Unauthenticated Kind = "unauthenticated chunk" // RFC 6083, Section 4.5
	WrongHMAC       Kind = "wrong HMAC"            // RFC 4895, Section 6.3
	UnknownKey      Kind = "unknown key"           // a key identifier that no handshake has made
	WrongAlgorithm  Kind = "wrong HMAC identifier" // not the one that the peer prefers
	// the right HMAC under the wrong key identifier; RFC 6083, Section 4.8
	WrongKey     Kind = "wrong key"
	NotOneRecord Kind = "not one record" // RFC 6083, Section 4.1
	WrongStream  Kind = "wrong stream"   // RFC 6083, Section 4.4
	// a record that cannot come at this point of the handshake
	OutOfTurn     Kind = "out of turn"
	Undecryptable Kind = "record does not open"
	Plaintext     Kind = "plaintext"
	Hole          Kind = "hole" // TSNs that were never captured
)

// A Defect is one breach of a rule.
type Defect struct {
	Kind   Kind
	Packet int // number of the packet that shows it, 0 if none does
	Text   string
}

func (d Defect) String() string {
	if d.Packet == 0 {
		return fmt.Sprintf("%s: %s", d.Kind, d.Text)
	}
	return fmt.Sprintf("%s: packet %d: %s", d.Kind, d.Packet, d.Text)
}

// A defects list collects; the zero value is empty.
type defects []Defect

func (d *defects) add(kind Kind, packet int, format string, args ...any) {
	*d = append(*d, Defect{kind, packet, fmt.Sprintf(format, args...)})
}
