// Package dtlscore implements DTLS 1.2 and DTLS 1.3 as a state machine for reliable message
// transports such as SCTP. It takes records and returns ordered events. It uses no sockets, clocks
// or goroutines, and does not need DTLS's replay window, retransmission and path MTU discovery.
//
// # Model
//
// [Client] and [Server] return a [Conn], and [Conn.Start] begins the handshake. Each message that
// the transport delivers is one record. The driver passes it to [Conn.Receive], which decrypts it
// in place and returns application data. After each call of Start, Receive, PendingRead, Upkeep,
// KeyUpdate, Renegotiate, Close or Fail, the driver calls [Conn.NextEvent] until there are no more
// events, and executes the events in order. The order implements the rules of RFC 6083, Sections
// 4.7 to 4.9. Any number of goroutines may protect application data with [Conn.Seal] at the same
// time.
//
// An error from Receive is final: the events then include the alert for the peer, and after them
// the driver must abort the association. The same applies to an error that [Conn.Err] returns once
// there are no more events.
package dtlscore
