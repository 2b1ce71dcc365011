// Package simnet is a network that exists only in memory: hosts with addresses, and sockets that
// look like UDP's ([Conn]), between which packets are delayed, reordered, lost, repeated and
// changed as a seed says. It carries the SCTP of package internal/sctpudp in tests, in real time or
// in that of testing/synctest.
//
// A Network has no goroutine. Its one lock guards everything, and no callback runs under it but
// [Network.Tap]'s.
package simnet
