package authchunk

import (
	"bytes"
	"fmt"
	"strings"
)

// A ChunkType is the type of an SCTP chunk in a list of chunks to be
// authenticated.
type ChunkType = byte

// Chunk types that may be listed (RFC 9260, 3758, 5061, 6525 and 8260).
const (
	ChunkData        ChunkType = 0x00
	ChunkShutdown    ChunkType = 0x07
	ChunkShutdownAck ChunkType = 0x08
	ChunkIData       ChunkType = 0x40
	ChunkAsconfAck   ChunkType = 0x80
	ChunkReConfig    ChunkType = 0x82
	ChunkForwardTSN  ChunkType = 0xc0
	ChunkAsconf      ChunkType = 0xc1
	ChunkIForwardTSN ChunkType = 0xc2
)

// DefaultChunks returns the chunk types that DTLS over SCTP requires its peer
// to authenticate: those that carry or skip user data, and those that change
// streams or addresses. RFC 6083, Section 4.5, requires DATA, and FORWARD TSN
// with partial reliability.
//
// A caller may add SHUTDOWN and SHUTDOWN ACK, against a forged shutdown. It
// should not add SACK (acknowledgements would depend on key changes), ABORT (a
// peer that has lost its keys could not abort) or COOKIE ECHO (Linux rejects
// the association).
func DefaultChunks() []ChunkType {
	return []ChunkType{
		ChunkData, ChunkForwardTSN, ChunkIData, ChunkIForwardTSN,
		ChunkReConfig, ChunkAsconf, ChunkAsconfAck,
	}
}

// An Agreement is what both ends of an association announced about SCTP-AUTH
// when they set it up.
type Agreement struct {
	// Supported is true if both ends support SCTP-AUTH.
	Supported bool
	// Local lists the chunk types that this end accepts only if
	// authenticated, Peer those of the other end.
	Local, Peer []ChunkType
	// PartialReliability is true if both ends support FORWARD TSN (RFC 3758).
	PartialReliability bool
	// Interleaving is true if I-DATA chunks may carry user data (RFC 8260).
	Interleaving bool
}

// Check returns an [UnsupportedError] unless all user data will be
// authenticated in both directions. An association that fails must not be used for
// DTLS. RFC 6083, Section 4.5.
func (a Agreement) Check() error {
	// What this end requires does not depend on the peer, so a missing type
	// is this end's fault.
	if missing := a.missing(a.Local); missing != nil {
		return &UnsupportedError{Missing: missing}
	}
	if !a.Supported {
		return &UnsupportedError{Peer: true}
	}
	if missing := a.missing(a.Peer); missing != nil {
		return &UnsupportedError{Peer: true, Missing: missing}
	}
	return nil
}

// missing returns the required chunk types that are not in list.
func (a Agreement) missing(list []ChunkType) (missing []ChunkType) {
	required := []ChunkType{ChunkData}
	if a.PartialReliability {
		required = append(required, ChunkForwardTSN)
	}
	if a.Interleaving {
		required = append(required, ChunkIData)
	}
	if a.Interleaving && a.PartialReliability {
		required = append(required, ChunkIForwardTSN)
	}
	for _, c := range required {
		if bytes.IndexByte(list, c) < 0 {
			missing = append(missing, c)
		}
	}
	return missing
}

// An UnsupportedError means that an association does not authenticate user
// data.
type UnsupportedError struct {
	// Peer is true if it is the peer's fault, false if this end's.
	Peer bool
	// Missing lists the chunk types that are not required to be
	// authenticated. It is empty if the peer does not support SCTP-AUTH at
	// all, or if Err is set.
	Missing []ChunkType
	// Err is why this system does not support SCTP-AUTH, or nil.
	Err error
}

func (e *UnsupportedError) Unwrap() error { return e.Err }

func (e *UnsupportedError) Error() string {
	switch {
	case e.Err != nil:
		return fmt.Sprintf(
			"sctp: SCTP-AUTH is not available here (%v): "+
				"Linux before 5.4 needs \"sysctl net.sctp.auth_enable=1\"", e.Err)
	case e.Peer && len(e.Missing) == 0:
		return "authchunk: the peer offers no SCTP-AUTH: does it use plain SCTP on this port, without " +
			"DTLS? If it uses DTLS, set net.sctp.auth_enable to 1 there, or SCTP_AUTH_SUPPORTED"
	case e.Peer:
		return fmt.Sprintf(
			"authchunk: the peer does not ask for authenticated %s chunks "+
				"(its list of SCTP_AUTH_CHUNK lacks them)", chunkNames(e.Missing))
	}
	return fmt.Sprintf(
		"authchunk: this end does not ask for authenticated %s chunks (SCTP-AUTH was off, "+
			"or its list lacks them, when the association was set up)", chunkNames(e.Missing))
}

func chunkNames(types []ChunkType) string {
	names := map[ChunkType]string{
		ChunkData: "DATA", ChunkForwardTSN: "FORWARD TSN",
		ChunkIData: "I-DATA", ChunkIForwardTSN: "I-FORWARD TSN",
	}
	var s []string
	for _, t := range types {
		s = append(s, names[t])
	}
	return strings.Join(s, ", ")
}
