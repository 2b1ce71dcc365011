// Package sctpcore is SCTP as a state machine without I/O: packets, messages and the time in;
// packets, messages, events and the next timer out. It has no socket, clock or goroutine, so it
// runs wherever packets can be had, inside UDP (RFC 6951) for example, and a test can have a minute
// of traffic with loss and failing paths in a fraction of a second.
//
// It is RFC 9260 for one-to-one associations with several addresses, SCTP-AUTH (RFC 4895), partial
// reliability (RFC 3758, RFC 7496) and path MTU discovery by probes (RFC 8899) if asked for, and
// potentially failed paths (RFC 7829). It is not dynamic addresses (RFC 5061), stream
// reconfiguration (RFC 6525), interleaving (RFC 8260) or ECN.
//
// # The model
//
// An [Endpoint] finds the [Assoc] that a packet is for, answers packets that belong to none, and
// makes new associations: [Endpoint.Connect] for those that begin here, [Endpoint.Receive] for
// those that a peer begins to a port that [Endpoint.Listen] names. A driver does this:
//
//	for each packet:   if a := endpoint.Find(from, packet); a != nil {
//	                           a.Receive(now, from, local, packet)
//	                   } else {
//	                           a = endpoint.Receive(now, from, local, packet) // a new one, or nil
//	                   }
//	for each message:  a.Send(now, message, info)
//	when it is time:   a.Timeout(now)                                        // a.NextTimeout()
//	after all these:   a.NextPacket(now, buf), endpoint.NextPacket(), until there is none
//	                   a.NextEvent() and a.Read(buf), likewise
//
// Events and messages keep their order: an event that is due comes before the next message, so
// NextEvent is called first. After Read there can be packets again, for the peer may wait for
// space.
//
// Time is a [time.Duration] since any moment that the driver chooses, and must not go back: that
// of a monotonic clock. The driver tells it; nothing here asks for it.
//
// Packets begin with the SCTP common header. Addresses are [netip.AddrPort], whose port is that of
// UDP, not of SCTP.
//
// # Bounds
//
// What a peer can make this side keep is bounded: messages that are not read by
// Config.ReceiveWindow, with up to eight times the memory; messages that are not acknowledged by
// Config.SendBuffer, events by number, and everything else by the size of packets. A peer that has
// not shown with a state cookie that it is where it says costs nothing. An idle association keeps
// no buffers.
package sctpcore
