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
// # Messages and streams
//
// An association carries messages on numbered streams, [ConnectionState].OutStreams of them from
// this end. SCTP keeps the order within a stream, unless a message is Unordered, and never makes
// one stream wait for what another has lost. There are two ways to read:
//
//   - [Conn.ReadMessage] has the messages of all streams as they come, each with its [MessageInfo];
//   - [Conn.Stream] makes a net.Conn of one stream, with deadlines of its own, and has its messages
//     from then on; [Conn.AcceptStream] does so for the next stream on which something comes.
//
// Both can be used at once, by any number of goroutines. Each connection has one goroutine of its
// own, which reads from the association. What nobody has asked for yet it keeps, up to
// [Config].ReadQueue; then SCTP holds the peer back until some of it is taken. It has one window
// for all streams, so a program that leaves one stream unread will in the end stop the others. A
// program that does not care for a stream should not make a Stream of it, and use ReadMessage for
// all.
//
// Writes need no queue: each goes to the kernel when it has space; [Conn.WriteMessages] hands over
// several at once. If both ends want that, a message may be given up by SCTP after a time or a
// number of retransmissions, see [MessageInfo].Lifetime; all others arrive, or the connection ends
// with an error.
//
// # Large messages
//
// In DTLS 1.3 two ends that both set [Config].MaxMessageSize exchange messages of up to a gigabyte,
// each as one record and one message of SCTP; ConnectionState.MaxWrite and MaxRead say how large.
// What holds a message must be as large: the buffers of the socket, which grow by themselves, as
// far as the kernel lets them (sysctl net.core.wmem_max and rmem_max, or CAP_NET_ADMIN), and
// [Config].ReadQueue. SCTP does not interleave messages here: while a large one is sent, the
// messages of all streams wait behind it, and so do alerts and new keys. [SCTPOptions].Scheduler
// says whose turn is next, and lets no stream send two while another waits (SchedulerRoundRobin).
// What has arrived whole is not held up by a large message of which a part was lost.
//
// # Coming from crypto/tls
//
// [Config] and [ConnectionState] have the names, types and meanings of crypto/tls, and [FromTLS]
// takes over a configuration. What is different: [Listener.Accept] returns connections whose
// handshake is done; there are messages, of at most [MaxMessageSize] bytes unless both ends set
// [Config].MaxMessageSize; a connection notices by itself what the peer does, its close among it,
// and [Conn.Context] is done then.
//
// # Coming from plain SCTP
//
// The kernel needs SCTP (“modprobe sctp”), and since Linux 5.4 nothing else: SCTP-AUTH
// is enabled for each socket. Before, it takes the sysctl net.sctp.auth_enable=1. An
// association whose peer does not authenticate DATA chunks is refused with an
// [AuthUnsupportedError] before a byte of DTLS is sent. Take the PPID registered for the
// protocol over DTLS, such as [PPIDDiameter] or [PPIDNGAP].
//
// An association that other code has set up, github.com/ishidawataru/sctp for example, is taken
// over by [FromSocket], if its socket asked for SCTP-AUTH in time: [RequestAuth] does that.
// [Client] and [Server] make a connection of it, and of any other [stream.Association]: SCTP need
// not be the kernel's.
//
// # Paths
//
// An end has several addresses if it is given as “192.0.2.1/198.51.100.1:5868”, of IPv4, IPv6
// or both, in [Dial], [Listen] and [Dialer].LocalAddr; a wildcard stands for all addresses of the
// host. SCTP moves to another path by itself when one fails, after [SCTPOptions].PathMaxRetrans
// timeouts, and nothing is lost by that or out of order. [Conn.Paths] reports how they do,
// [Conn.SetPrimary] chooses, [Conn.BindAdd] and [Conn.BindRemove] change the addresses of this end
// while the association lives. Who the peer is does not depend on its addresses. [Conn.LocalAddr]
// and [Conn.RemoteAddr] list all that the association has, [Listener.Addr] what Listen was given.
//
// # Errors
//
// Errors say whose fault it was and what to do, and are distinguished with errors.As and errors.Is:
//
//   - before a connection: [NoSCTPError], [OptionError], [AuthUnsupportedError],
//     [HandshakeTimeoutError], and an [AlertError] for all that a handshake can disagree on, in
//     which there is a *tls.CertificateVerificationError if this end does not trust the peer;
//   - which end a connection: io.EOF, the peer's close_notify, after which this end may still
//     write; [ErrPeerClosed] of what can no more; [AssociationError], the end without close_notify;
//     AlertError; net.ErrClosed, this end's Close and nothing else;
//   - after which it goes on: os.ErrDeadlineExceeded, [MessageTooLargeError], [StreamError], and
//     io.ErrShortBuffer, which comes again with the same buffer: ConnectionState.MaxRead bytes are
//     always enough.
//
// # What can be seen
//
// [Config].Trace is notified of handshakes, alerts, keys and of what SCTP notifies, and
// [Config].Logger of the same; [Conn.Stats] has counts, of the kernel too. No secret is in them.
// Only [Config].KeyLogWriter gets those.
//
// # What is protected and what is not
//
// The bytes of messages are encrypted and authenticated. The stream, the PPID, the order and the
// length of each are visible to anyone on the path; SCTP-AUTH protects them from change. Control
// chunks such as SACK, SHUTDOWN and ABORT are not authenticated: anyone on the path can end an
// association, and is then reported as an [AssociationError], never as io.EOF. RFC 6083 forbids
// replay detection in DTLS; it is left to SCTP's transmission sequence numbers.
package sctpdtls
