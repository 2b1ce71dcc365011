// Package sctptest is a network in memory for tests of programs that use SCTP: hosts with one or
// several addresses, between which associations are set up, lose packets, fail and start over. A
// test needs no SCTP in the kernel, no privilege and no port, and runs on every system that Go has.
//
// It is no likeness of SCTP: what runs is the SCTP of package sctpcore, packet by packet, with
// SCTP-AUTH. Only the network is simulated. What it does to the n-th packet from one port of a host
// to one of another follows from a seed, and so do the random numbers of SCTP, so that a run can be
// repeated. (Those of DTLS do not. They change some packets by a few bytes.)
//
// Time is that of package time. In a test with the false clock of testing/synctest minutes of
// timeouts take milliseconds, and a test whose program is deterministic is so too.
//
//	synctest.Test(t, func(t *testing.T) {
//		network := sctptest.NewNetwork(1)
//		defer network.Close() // no goroutine may be left
//		...
//	})
//
// [Host.Listen] and [Host.Dial] stand for sctpdtls.Listen and sctpdtls.Dial: their results go to
// sctpdtls.NewListener and sctpdtls.Client. The example shows both ends.
package sctptest
