// Package dtlscore is DTLS 1.2 and DTLS 1.3 as a state machine for reliable
// message transports such as SCTP: records in, ordered events out. It has no
// socket, clock, goroutine, replay window, retransmission or path MTU.
//
// # The model
//
// A [Conn] is made by [Client] or [Server] and set going by [Conn.Start]. Each
// message that the transport delivers is one record and goes to
// [Conn.Receive], which decrypts in place and returns application data. After
// Start, Receive, PendingRead, Close and Fail the driver takes events with
// [Conn.NextEvent] until there is none, and obeys them in order. Their order is what
// RFC 6083, Sections 4.7 to 4.9, asks for. Application data is protected with
// [Conn.Seal], by as many goroutines as the caller likes.
//
// An error returned by Receive is final: the alert that tells the peer is
// among the events, after them the transport has to be aborted. The same
// holds for an error that [Conn.Err] shows when there is no event left.
package dtlscore
