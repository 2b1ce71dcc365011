// Package sctpudp drives package sctpcore over UDP (RFC 6951): one [Socket] is one UDP socket,
// which carries any number of associations, each an [Assoc]. It is what internal/sctpsock is for
// the kernel's SCTP, and needs no privilege and no support of the operating system.
//
// A Socket has one goroutine, which reads; an Assoc has none, only a timer. Locks: that of an Assoc
// guards its state machine, and comes before that of the Socket, which guards the table of
// associations.
package sctpudp
