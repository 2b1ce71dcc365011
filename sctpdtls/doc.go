// Package sctpdtls protects SCTP associations with DTLS as RFC 6083 specifies. Diameter (RFC 6733)
// and the 5G interfaces N2, Xn, F1 and E1 (3GPP TS 33.501) use it as their transport security. The
// package uses the SCTP of the Linux kernel with SCTP-AUTH, or SCTP inside UDP on any system.
//
// A client calls [Dial], a server [Listen] and [Listener.AcceptConn]. Both get a [Conn] whose
// handshake is complete: the peer is authenticated as the [Config] requires. [Conn.WriteMessage]
// and [Conn.ReadMessage] send and receive messages with their stream, payload protocol identifier
// and order. A Conn is also a [net.Conn]; each Write sends one message.
//
// # Messages and streams
//
// An association carries messages on numbered streams, [ConnectionState].OutStreams of them from
// this end. SCTP keeps the order within a stream, unless a message is Unordered, and a loss on one
// stream does not delay another. There are two ways to read:
//
//   - [Conn.ReadMessage] returns the messages of all streams as they arrive, each with its
//     [MessageInfo].
//   - [Conn.Stream] returns a net.Conn for one stream, with its own deadlines, which gets the
//     messages of that stream from then on. [Conn.AcceptStream] does so for the next stream on
//     which a message arrives.
//
// Both can be used at the same time, by any number of goroutines. Each connection has one goroutine
// that reads from the association. It queues messages that have not been read yet, up to
// [Config].ReadQueue bytes; then it stops reading, and SCTP's flow control stops the peer. SCTP has
// one window for all streams, so a stream that is never read eventually stops the others. A program
// that does not care about streams should not call Stream, and use ReadMessage for all of them.
//
// Writes are not queued: each message goes to the kernel when that has space.
// [Conn.WriteMessages] sends several messages with one call. If both ends allow it, SCTP abandons a
// message after a time or a number of retransmissions, see [MessageInfo].Lifetime; all other
// messages arrive, or the connection ends with an error.
//
// # Large messages
//
// With DTLS 1.3, two ends that both set [Config].MaxMessageSize can exchange messages of up to a
// gigabyte, each as one record and one SCTP message; ConnectionState.MaxWrite and MaxRead are the
// limits. Everything that holds a message needs its size: the socket buffers, which grow
// automatically as far as the kernel allows (sysctls net.core.wmem_max and rmem_max, or
// CAP_NET_ADMIN), and [Config].ReadQueue. SCTP does not interleave messages here: during a large
// message, the messages of all streams wait, and so do alerts and key updates.
// [SCTPOptions].Scheduler decides which stream is next; with SchedulerRoundRobin no stream sends
// two messages while another waits. Messages that have arrived completely are not delayed by a
// large message with a missing part.
//
// # Coming from crypto/tls
//
// [Config] and [ConnectionState] have the names, types and meanings of crypto/tls, and [FromTLS]
// converts a configuration. The differences are: [Listener.Accept] returns connections whose
// handshake is complete; connections carry messages, of at most [MaxMessageSize] bytes unless both
// ends set [Config].MaxMessageSize; a connection notices when the peer closes it even if nobody
// reads, and [Conn.Context] is then done.
//
// # Coming from plain SCTP
//
// The kernel needs SCTP (“modprobe sctp”). Since Linux 5.4 it needs nothing else: the package
// enables SCTP-AUTH for each socket. Older kernels need the sysctl net.sctp.auth_enable=1. If the
// peer does not authenticate DATA chunks, the connection fails with an [AuthUnsupportedError]
// before DTLS sends anything. Use the PPID that is registered for the protocol over DTLS, such as
// [PPIDDiameter] or [PPIDNGAP].
//
// [FromSocket] takes over an association that other code, such as github.com/ishidawataru/sctp, has
// set up, if its socket asked for SCTP-AUTH in time: see [RequestAuth]. [Client] and [Server] make
// a connection of it, or of any other [stream.Association].
//
// # Paths
//
// An end has several addresses, IPv4 or IPv6, if [Dial], [Listen] or [Dialer].LocalAddr get an
// address such as “192.0.2.1/198.51.100.1:5868”; a wildcard means all addresses of the host. If
// a path fails, SCTP moves to another one after [SCTPOptions].PathMaxRetrans timeouts, and
// nothing is lost or reordered. [Conn.Paths] returns the state of the paths, [Conn.SetPrimary]
// selects the primary one, and [Conn.BindAdd] and [Conn.BindRemove] change the addresses of this
// end during the association. The identity of the peer does not depend on its addresses.
// [Conn.LocalAddr] and [Conn.RemoteAddr] list all addresses of the association; [Listener.Addr]
// returns those that were passed to Listen.
//
// # Errors
//
// Errors say whose fault it was and what to do. Distinguish them with errors.As and errors.Is:
//
//   - Before a connection: [NoSCTPError], [OptionError], [AuthUnsupportedError],
//     [HandshakeTimeoutError], and an [AlertError] for any failure of the handshake, which wraps a
//     *tls.CertificateVerificationError if this end does not trust the peer.
//   - At the end of a connection: io.EOF after the peer's close_notify, when this end can still
//     write; [ErrPeerClosed] from writes when it cannot; [AssociationError] for an end without
//     close_notify; AlertError; net.ErrClosed only after Close at this end.
//   - On a connection that continues: os.ErrDeadlineExceeded, [MessageTooLargeError],
//     [StreamError], and io.ErrShortBuffer, which ConnectionState.MaxRead bytes always avoid.
//
// # Observability
//
// [Config].Trace has functions for handshakes, alerts, keys and SCTP notifications, and
// [Config].Logger logs the same. [Conn.Stats] returns statistics, including the kernel's. None of
// them contains secrets; [Config].KeyLogWriter does.
//
// # What is protected and what is not
//
// The content of messages is encrypted and authenticated. The stream, PPID, order and length of
// each message are visible to anyone on the path, but SCTP-AUTH protects them from changes. Control
// chunks such as SACK, SHUTDOWN and ABORT are not authenticated: anyone on the path can end an
// association, which is reported as an [AssociationError], never as io.EOF. RFC 6083 forbids replay
// detection in DTLS; SCTP's transmission sequence numbers prevent replay.
package sctpdtls
