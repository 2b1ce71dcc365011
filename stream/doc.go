// Package stream says what an SCTP association is, and carries messages and streams above one.
//
// An [Association] is what DTLS over SCTP needs of SCTP (RFC 6083, RFC 6458): messages ([Info],
// [Part]), what happens to the association ([Event]), its keys of SCTP-AUTH (RFC 4895), and, where
// it has them, several addresses ([Path]), counts ([Stats]) and priorities. [Options] are its
// settings. Package sctpdtls makes a DTLS connection of any Association.
//
// A [Reader] puts messages together that the association delivers in parts. A [Mux] keeps those
// that were read until the readers of their streams ask for them. Neither reads what messages say.
//
// # Implementing an Association
//
// The comments of the methods are the contract. What is easily missed:
//
//   - A message is sent under the key of SCTP-AUTH that is active when it is handed over, and is
//     retransmitted under that key. One that comes under a key which is not known is dropped, and
//     must come again: the peer may not have made the key yet.
//   - Recv with wait false must not say [ErrWouldBlock] while something that has arrived can be
//     delivered: DTLS changes its keys between two messages, and looks whether it has all.
//   - The acknowledgement of SCTP says that a message has arrived, not that someone has read it.
//     Dry is about that acknowledgement.
//   - Events do not overtake messages, nor messages events.
package stream
