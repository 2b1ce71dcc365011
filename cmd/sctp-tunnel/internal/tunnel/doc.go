// Package tunnel is the engine of sctp-tunnel: it carries associations between a daemon that speaks
// plain SCTP and the network, where they are DTLS over SCTP (RFC 6083).
//
// A [Service] makes one association of one association. What crosses it stays as it is: the
// boundaries of messages, their stream, whether they are ordered, and, by a table, their payload
// protocol identifier. So does the kind of its end:
//
//   - SHUTDOWN of the daemon becomes close_notify and SHUTDOWN over DTLS, and the other way round.
//     What either side had sent before it learned of the other's end is still delivered, as far as
//     its receiver's SCTP takes it; what it does not take is counted and logged.
//   - An ABORT, an end without close_notify, a peer that does not answer, a fatal alert, messages
//     that are missing, and a message that is too large or for a stream that is not there, become
//     an ABORT of both. So does the death of this process.
//   - A restart by the daemon that a Client has accepted (RFC 9260, Section 5.2) becomes an ABORT
//     of the connection, and a new one, which the far daemon sees as a new association.
//   - When the service is told to stop it waits for a moment in which nothing is carried, and shuts
//     both down.
//
// Keys and certificates that have served for long enough are renewed underneath: by a renegotiation
// in DTLS 1.2, and in DTLS 1.3 by another connection that takes the place of the first one, if both
// ends are tunnels.
//
// A Server dials its daemon in the middle of the handshake, when the peer has proved who it is. If
// nobody is there the handshake fails with internal_error. A Client listens only while its target
// can be reached: see [Service].AlwaysListen for daemons that do not bear that.
package tunnel
