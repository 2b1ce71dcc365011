package sctpdtls

import "github.com/seed-41f70523/dtls-sctp/dtlscore"

// A ConnectionState is what the handshake agreed on: that of DTLS, and of SCTP. MaxWrite is what
// the peer takes, or what fits into the write buffer of the socket if that is less.
type ConnectionState struct {
	dtlscore.ConnectionState

	OutStreams, InStreams uint16 // number of streams in each direction
	AuthKeyID             uint16 // of SCTP-AUTH, in use since the handshake (RFC 6083, Section 4.8)
}
