// Package simnet simulates a network in memory: hosts with addresses, and sockets with methods like
// those of UDP sockets ([Conn]). The network delays, reorders, loses, duplicates and corrupts
// packets as determined by a seed. Tests run the SCTP of package internal/sctpudp over it, in real
// time or in the time of testing/synctest.
//
// A Network has no goroutines. A single lock guards all of its state; the only callback that runs
// with the lock held is that of [Network.Tap].
package simnet
