package sctpdtls

import "github.com/seed-41f70523/dtls-sctp/dtlscore"

// A ConnectionState is what the handshake negotiated, for DTLS and SCTP. MaxWrite is the limit of
// the peer, or of the socket's write buffer if that is lower.
type ConnectionState struct {
	dtlscore.ConnectionState

	OutStreams, InStreams uint16 // numbers of streams
	AuthKeyID             uint16 // of SCTP-AUTH, in use since the handshake (RFC 6083, Section 4.8)
}
