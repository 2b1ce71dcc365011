// Package assoctest is SCTP associations for tests with a false clock: those of internal/sctpudp
// over a network in memory (internal/simnet), so that what tests run is SCTP, packets and all. It
// adds what only a test does to an association: it records what was sent, cuts the network,
// restarts an end, and puts something into what is received.
package assoctest
