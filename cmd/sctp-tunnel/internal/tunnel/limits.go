package tunnel

import (
	"cmp"
	"time"
)

// Limits bound what a [Service] takes. The zero value of a field is its default.
type Limits struct {
	// Associations is how many there are at the same time; 4096. Further ones are refused.
	Associations int
	// Handshakes is how many may be under way, those that wait for a daemon included: 1024 at a
	// server, and with one host a quarter of that; 64 at a client, whose further associations wait.
	Handshakes, HandshakesPerHost int
	// Streams is how many streams an association may have in each direction, at each end; 1024.
	// Within that an association has as many as the daemon or the peer offers. Each costs the
	// kernel some 40 bytes.
	Streams uint16
	// Buffer is the size in bytes of the socket's buffers for each direction, at each end; 256 KiB.
	// What a receiver does not take stops the sender when they are full, and four times as much in
	// this process.
	Buffer int
	// Handshake bounds the setting up of a connection, handshake and association with the daemon
	// included; 10 s.
	Handshake time.Duration
	// Drain bounds the end of associations when the service is told to stop; 5 s.
	Drain time.Duration
	// Probe is the longest time between two looks whether a target that was not reachable is so
	// again; 10 s.
	Probe time.Duration
}

// withDefaults returns the limits of a service with that role.
func (l Limits) withDefaults(role Role) Limits {
	l.Associations = cmp.Or(l.Associations, 4096)
	if role == Client {
		l.Handshakes = cmp.Or(l.Handshakes, 64)
	} else {
		l.Handshakes = cmp.Or(l.Handshakes, 1024)
		l.HandshakesPerHost = cmp.Or(l.HandshakesPerHost, max(1, l.Handshakes/4))
	}
	l.Streams = cmp.Or(l.Streams, 1024)
	l.Buffer = cmp.Or(l.Buffer, 256<<10)
	l.Handshake = cmp.Or(l.Handshake, 10*time.Second)
	l.Drain = cmp.Or(l.Drain, 5*time.Second)
	l.Probe = cmp.Or(l.Probe, 10*time.Second)
	return l
}
