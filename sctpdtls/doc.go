// Package sctpdtls protects SCTP associations with DTLS, as RFC 6083 says: the
// transport security of Diameter (RFC 6733) and of the 5G interfaces N2, Xn, F1 and
// E1 (3GPP TS 33.501). It uses the SCTP of the Linux kernel with SCTP-AUTH.
//
// A client calls [Dial], a server [Listen] and [Listener.AcceptConn]. Both get a
// [Conn], on which the handshake is done: the peer is authenticated as the [Config]
// asks. [Conn.WriteMessage] and [Conn.ReadMessage] carry messages with their
// stream, payload protocol identifier and order. A Conn is a [net.Conn] too, whose
// every Write is one message.
//
// # Coming from crypto/tls
//
// [Config] and [ConnectionState] have the names, types and meanings of crypto/tls. What is
// different: [Listener.Accept] returns connections whose handshake is done; there are
// messages, of at most [MaxMessageSize] bytes; whoever reads also does what the peer begins,
// its close among it, so a connection that nobody reads does not end before it is closed here.
//
// # Coming from plain SCTP
//
// The kernel needs SCTP (“modprobe sctp”), and since Linux 5.4 nothing else: SCTP-AUTH
// is switched on for each socket. Before, it takes the sysctl net.sctp.auth_enable=1. An
// association whose peer does not authenticate DATA chunks is refused with an
// [AuthUnsupportedError] before a byte of DTLS is sent. Take the PPID registered for the
// protocol over DTLS, such as [PPIDDiameter] or [PPIDNGAP].
//
// # What is protected and what is not
//
// The bytes of messages are encrypted and authenticated. The stream, the PPID, the order and the length of
// each are visible to anyone on the path; SCTP-AUTH protects them from change.
// Control chunks such as SACK, SHUTDOWN and ABORT are not authenticated: anyone on the
// path can end an association, and is then reported as an [AssociationError], never as io.EOF.
// RFC 6083 forbids replay detection in DTLS; it is left to SCTP's transmission sequence numbers.
package sctpdtls
