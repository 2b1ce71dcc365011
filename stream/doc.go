// Package stream defines the interface of an SCTP association, and handles messages and streams
// above it.
//
// An [Association] is what DTLS over SCTP needs of SCTP (RFC 6083, RFC 6458): messages ([Info],
// [Part]), notifications ([Event]), the keys of SCTP-AUTH (RFC 4895) and, optionally, several
// addresses ([Path]), statistics ([Stats]) and priorities. [Options] are its settings. Package
// sctpdtls makes a DTLS connection of any Association.
//
// A [Reader] assembles messages that the association delivers in parts. A [Mux] queues messages for
// the readers of their streams. Neither looks at the content of messages.
//
// # Implementing an Association
//
// The comments of the methods are the contract. These points are easily missed:
//
//   - A message is sent under the SCTP-AUTH key that is active when it is passed to Send, and is
//     retransmitted under that key. A message under an unknown key is dropped and must be
//     retransmitted: the peer may not have installed the key yet.
//   - Recv with wait false must not return [ErrWouldBlock] while something that has arrived can be
//     delivered: DTLS changes its keys between two messages, and checks that it has read
//     everything.
//   - SCTP's acknowledgement means that a message has arrived, not that it has been read. Dry
//     refers to that acknowledgement.
//   - Events do not overtake messages, and messages do not overtake events.
package stream
