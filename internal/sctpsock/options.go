package sctpsock

import "github.com/seed-41f70523/dtls-sctp/stream"

// Options are those of an association, and of its socket.
type Options struct {
	stream.Options

	// Events are reported by [Socket.Recv] besides those that always are.
	Events []EventType

	// AuthChunks are the chunk types that the peer must authenticate. SCTP-AUTH
	// is enabled if there is any. At most 16 (Linux 7.2; 20 in 6.1); never INIT, INIT ACK,
	// SHUTDOWN COMPLETE, AUTH, or, unless net.sctp.auth_enable is set, COOKIE ECHO.
	// AddressChanges adds ASCONF and ASCONF ACK to them, without which it does not work.
	AuthChunks []byte

	// HMACs are the HMAC identifiers to offer, best first. SHA-1 (1) must be among
	// them. nil is SHA-256, SHA-1.
	HMACs []uint16

	// MessageSize is how many bytes the largest message has that must fit into the buffers and the
	// peer's window; 0: any that do. The buffers are made as large by themselves, beyond the sysctls
	// where the process may (CAP_NET_ADMIN).
	MessageSize int

	// KeepRestarted lets an accepted association be used on that its peer has restarted, without
	// SCTP-AUTH. Recv returns [stream.AssocRestarted] where the new one begins; see [Socket.Renew].
	KeepRestarted bool

	// V6Only keeps an IPv6 socket from IPv4.
	V6Only bool
}
