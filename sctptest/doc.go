// Package sctptest is a network in memory for tests of programs that use SCTP. It has hosts with
// one or several addresses; associations between them lose packets, fail and restart. A test needs
// no SCTP in the kernel, no privileges and no ports, and runs on every system that Go supports.
//
// The package does not imitate SCTP: it runs package sctpcore, packet by packet, with SCTP-AUTH.
// Only the network is simulated. A seed determines what happens to the n-th packet from one port of
// a host to a port of another, and the random numbers of SCTP, so that a run can be repeated. (It
// does not determine those of DTLS, which change the size of some packets by a few bytes.)
//
// Time is that of package time. With the fake clock of testing/synctest, minutes of timeouts take
// milliseconds, and the test of a deterministic program is deterministic if the [Link] has a Delay:
// without one, both ends act at the same time, in any order.
//
//	synctest.Test(t, func(t *testing.T) {
//		network := sctptest.NewNetwork(1)
//		defer network.Close() // no goroutine may be left
//		...
//	})
//
// [Host.Listen] and [Host.Dial] correspond to sctpdtls.Listen and sctpdtls.Dial: pass their results
// to sctpdtls.NewListener and sctpdtls.Client. The example shows both ends.
package sctptest
