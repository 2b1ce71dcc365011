// Package tunnel is the engine of sctp-tunnel. It forwards associations between a daemon that uses
// plain SCTP and the network, where they are DTLS over SCTP (RFC 6083).
//
// A [Service] connects two associations so that they behave like one. It preserves the boundaries
// of messages, their stream, whether they are ordered and, according to a table, their payload
// protocol identifier. It also preserves how an association ends:
//
//   - SHUTDOWN from the daemon becomes close_notify and SHUTDOWN over DTLS, and the reverse. What
//     either side sent before it learned of the other's end is still delivered, as far as its
//     receiver's SCTP accepts it; messages that it does not accept are counted and logged.
//   - An ABORT, an end without close_notify, a peer that does not answer, a fatal alert, missing
//     messages, and a message that is too large or for a stream that does not exist, become an
//     ABORT of both. So does the death of this process.
//   - A restart by a daemon whose association a Client has accepted (RFC 9260, Section 5.2) becomes
//     an ABORT of the connection, and a new connection, which is a new association for the far
//     daemon.
//   - When the service is stopped, it waits for a moment without messages in transit, and shuts
//     both down.
//
// Keys and certificates are renewed in time: by a renegotiation in DTLS 1.2, and in DTLS 1.3 by
// another connection that replaces the first one, if both ends are tunnels.
//
// A Server connects to its daemon during the handshake, when the peer is authenticated. If that
// fails, the handshake fails with internal_error. A Client listens only while its target can be
// reached: see [Service].AlwaysListen for daemons that do not support that.
package tunnel
