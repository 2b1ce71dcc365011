// Package wire checks DTLS over SCTP (RFC 6083) from the outside: it reads
// captured packets and a key log, and reports whether what crossed the network
// was what it should be.
//
// Call [Check] with the frames of a [Capture] or of a file ([ReadPcap]). It
// follows each association from its INIT chunk on, be it inside UDP (RFC 6951, port 9899) or not:
//
//   - the HMAC of each AUTH chunk, under key identifier 0 and under the keys
//     exported from each handshake (RFC 4895, RFC 6083, Section 4.8),
//   - user messages put together again from DATA chunks; each must be exactly
//     one DTLS record, control records on stream 0 (Sections 4.1 and 4.4),
//   - records, opened with the key log; which key identifier each came under,
//   - plaintext of the application, which must not appear,
//   - packets in IP fragments, which SCTP should have made smaller,
//   - retransmissions, delayed acknowledgements and gaps.
//
// What breaks a rule is a [Defect]. Counts, messages, timers and gaps are
// there for the caller to judge.
//
// Nothing here uses the packages under test, except package authchunk, whose
// model of RFC 4895 is thereby compared with the kernel's. So the key
// derivation and the record protection are written again.
//
// # Limits
//
// Chunks of message interleaving (RFC 8260) and address changes (RFC 5061) are
// not followed. Capture at the end of a veth pair whose GSO is off, not on a
// loopback, where every packet is seen twice.
package wire
