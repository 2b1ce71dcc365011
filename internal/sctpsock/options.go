package sctpsock

import (
	"syscall"
	"time"
)

// Options are settings made before an association exists. The zero value of a
// field leaves the kernel's setting, unless its comment says otherwise.
type Options struct {
	// OutStreams and MaxInStreams are offered to the peer; the smaller number
	// of both ends counts. The kernel's setting is 10.
	OutStreams, MaxInStreams uint16

	// MaxInitAttempts and InitTimeout limit the setting up of an
	// association: so many INIT chunks, and the longest time between two of
	// them. Both need several minutes at the kernel's settings.
	MaxInitAttempts uint16
	InitTimeout     time.Duration

	// Nagle holds small messages back while others are unacknowledged. Off by
	// default, because it costs request and answer 200 ms.
	Nagle bool

	// Retransmission timeouts (RFC 9260, Section 6.3.1). The kernel starts
	// with 3 s and stays between 1 s and 60 s.
	RTOInitial, RTOMin, RTOMax time.Duration

	// Heartbeat is the interval of heartbeats on an idle path (kernel: 30 s);
	// negative for none.
	Heartbeat time.Duration

	// AssocMaxRetrans and PathMaxRetrans are the consecutive
	// retransmissions after which the association has failed (kernel: 10)
	// and a path is inactive (kernel: 5).
	AssocMaxRetrans, PathMaxRetrans uint16

	// SACKDelay is how long acknowledgements wait for company (kernel: 200 ms,
	// or every second packet; at most 500 ms); 0 acknowledges every packet at once.
	SACKDelay *time.Duration

	// ReadBuffer and WriteBuffer are SO_RCVBUF and SO_SNDBUF in bytes; 0 is 256 KiB.
	// The kernel doubles them for its bookkeeping, within
	// net.core.rmem_max and wmem_max. The window that the peer sees is half of
	// the doubled value, and no message can be larger than the
	// doubled write buffer.
	ReadBuffer, WriteBuffer int

	// UDPEncapPort sends SCTP inside UDP to that port of the peer (RFC 6951;
	// 9899 is registered). The kernel must be told its own port by the sysctl
	// net.sctp.udp_port.
	UDPEncapPort uint16

	// AuthChunks are the chunk types that the peer must authenticate. SCTP-AUTH
	// is switched on if there is any. At most 16 (Linux 7.2; 20 in 6.1); never INIT, INIT ACK,
	// SHUTDOWN COMPLETE, AUTH, or, unless net.sctp.auth_enable is set, COOKIE ECHO.
	AuthChunks []byte

	// HMACs are the HMAC identifiers to offer, best first. SHA-1 (1) must be among
	// them. nil is SHA-256, SHA-1.
	HMACs []uint16

	// V6Only keeps an IPv6 socket from IPv4.
	V6Only bool

	// Control, if not nil, is called after the socket was created and
	// configured, before it is bound, like that of [net.ListenConfig].
	Control func(network, address string, c syscall.RawConn) error
}
