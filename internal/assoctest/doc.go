// Package assoctest provides SCTP associations for tests with a fake clock: those of package
// internal/sctpudp over a network in memory (internal/simnet), so that tests use SCTP with all its
// packets. It adds what only tests do to an association: it records the messages sent, interrupts
// the network, restarts an endpoint, and inserts messages and events.
package assoctest
