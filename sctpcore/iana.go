package sctpcore

import "fmt"

// Chunk types. See RFC 9260, Section 3.2; RFC 4895, Section 4.1; RFC 3758, Section 3.2; and RFC
// 4820, Section 3.
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkHeartbeat        = 4
	chunkHeartbeatAck     = 5
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkError            = 9
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14
	chunkAuth             = 15
	chunkPad              = 132
	chunkForwardTSN       = 192
)

// Flags of DATA chunks (RFC 9260, Section 3.3.1), and the T bit of ABORT and SHUTDOWN COMPLETE
// (Sections 3.3.7 and 3.3.13).
const (
	flagEnd       = 1
	flagBegin     = 2
	flagUnordered = 4
	flagImmediate = 8

	flagT = 1
)

// Parameter types. See RFC 9260, Section 3.3.2; RFC 3758, Section 3.1; and RFC 5061, Section 4.2.7.
const (
	paramHeartbeatInfo       = 1
	paramIPv4                = 5
	paramIPv6                = 6
	paramStateCookie         = 7
	paramUnrecognized        = 8
	paramCookiePreservative  = 9
	paramHostName            = 11
	paramSupportedAddresses  = 12
	paramRandom              = 0x8002
	paramChunks              = 0x8003
	paramHMACs               = 0x8004
	paramSupportedExtensions = 0x8008
	paramForwardTSN          = 0xc000
)

// A Cause is an error cause code. See RFC 9260, Section 3.3.10, and RFC 4895, Section 4.2.
type Cause uint16

const (
	CauseInvalidStream       Cause = 1
	CauseMissingParameter    Cause = 2
	CauseStaleCookie         Cause = 3
	CauseOutOfResource       Cause = 4
	CauseUnresolvableAddress Cause = 5
	CauseUnrecognizedChunk   Cause = 6
	CauseInvalidParameter    Cause = 7
	CauseUnrecognizedParam   Cause = 8
	CauseNoUserData          Cause = 9
	CauseCookieInShutdown    Cause = 10
	CauseRestartNewAddresses Cause = 11
	CauseUserInitiated       Cause = 12
	CauseProtocolViolation   Cause = 13
	CauseUnsupportedHMAC     Cause = 0x0105
)

var causeNames = map[Cause]string{
	CauseInvalidStream:       "invalid stream identifier",
	CauseMissingParameter:    "missing mandatory parameter",
	CauseStaleCookie:         "stale cookie",
	CauseOutOfResource:       "out of resource",
	CauseUnresolvableAddress: "unresolvable address",
	CauseUnrecognizedChunk:   "unrecognized chunk type",
	CauseInvalidParameter:    "invalid mandatory parameter",
	CauseUnrecognizedParam:   "unrecognized parameters",
	CauseNoUserData:          "no user data",
	CauseCookieInShutdown:    "cookie received while shutting down",
	CauseRestartNewAddresses: "restart of an association with new addresses",
	CauseUserInitiated:       "user-initiated abort",
	CauseProtocolViolation:   "protocol violation",
	CauseUnsupportedHMAC:     "unsupported HMAC identifier",
}

// String returns the cause's name as in the RFC.
func (c Cause) String() string {
	if s, ok := causeNames[c]; ok {
		return s
	}
	return fmt.Sprintf("error cause %d", uint16(c))
}
