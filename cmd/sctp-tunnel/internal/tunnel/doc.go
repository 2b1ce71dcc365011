// Package tunnel is the engine of sctp-tunnel: it carries associations between a daemon that speaks
// plain SCTP and the network, where they are DTLS over SCTP (RFC 6083).
//
// A [Service] makes one association of one association. What crosses it stays as it is: the
// boundaries of messages, their stream, whether they are ordered, and, by a table, their payload
// protocol identifier. So does the kind of its end.
package tunnel
