// Package sctpcore implements SCTP as a state machine without I/O. It takes packets, messages and
// the time, and returns packets, messages, events and the time of the next timeout. It uses no
// sockets, clocks or goroutines. So it runs over any transport of packets, such as UDP (RFC 6951),
// and a test can simulate a minute of traffic with loss and failing paths in a fraction of a
// second.
//
// It implements RFC 9260 for one-to-one associations with multiple addresses, SCTP-AUTH (RFC 4895),
// partial reliability (RFC 3758, RFC 7496), potentially failed paths (RFC 7829) and, as an option,
// path MTU discovery with probes (RFC 8899). It does not implement dynamic address reconfiguration
// (RFC 5061), stream reconfiguration (RFC 6525), interleaving (RFC 8260) or ECN.
//
// # Model
//
// An [Endpoint] finds the [Assoc] that a packet belongs to, answers packets that belong to none,
// and creates associations: [Endpoint.Connect] begins one, and [Endpoint.Receive] accepts one on a
// port that [Endpoint.Listen] was called for. A driver does the following:
//
//	for each packet:   if a := endpoint.Find(from, packet); a != nil {
//	                           a.Receive(now, from, local, packet)
//	                   } else {
//	                           a = endpoint.Receive(now, from, local, packet) // a new one, or nil
//	                   }
//	for each message:  a.Send(now, message, info)
//	at NextTimeout:    a.Timeout(now)
//	after any of these:
//	                   a.NextPacket(now, buf) and endpoint.NextPacket(), until there are no more
//	                   a.NextEvent() and a.Read(buf), until there are no more
//
// Events and messages are ordered: an event that is due precedes the next message, so the driver
// must call NextEvent before Read. After Read there may be new packets, because the peer may be
// waiting for a larger window.
//
// Times are durations since an arbitrary moment that the driver chooses. They must not decrease, as
// with a monotonic clock. The driver passes the current time to each call.
//
// Packets start with the SCTP common header. Addresses are of type [netip.AddrPort], whose port is
// the UDP port, not the SCTP port.
//
// # Limits
//
// What a peer can make this side store is limited: unread messages by Config.ReceiveWindow, with at
// most ten times as much memory; unacknowledged messages by Config.SendBuffer; events by their
// number; and everything else by the size of packets. A peer uses no memory before it has proved
// its address with a state cookie. An idle association keeps no buffers.
package sctpcore
