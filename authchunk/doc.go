// Package authchunk manages SCTP-AUTH (RFC 4895) for DTLS over SCTP.
//
// [Agreement.Check] reports whether both ends of a new association authenticate
// all user data. DTLS must not send anything otherwise. [Keys] installs,
// activates and deletes the shared keys of an association, one for each
// handshake. [Params], [AssociationKey] and [MAC] compute the authentication of
// packets, for package sctpcore and to verify captures; a kernel does this
// itself.
//
// # The states of the keys
//
// RFC 6083, Section 4.8: every handshake yields a secret, which becomes the key
// with the next identifier. Key 0, whose secret is empty, exists from the
// beginning. Key 1 follows key 65535.
//
//	state      keys held      active   accepts packets of    next
//	initial    0              0        0                     Install
//	installed  n-1, n         n-1      n-1, n                Activate
//	switched   n-1, n         n        n-1, n                Retire, or Install
//	settled    n              n        n                     Install
//
// An Install in the state switched belongs to the next handshake: the keys are
// then n-2, n-1 and n, of which n-1 is active, and after Activate, one Retire
// deletes both old ones. A third handshake is rejected, unless RetireStale has
// deleted n-2, which is allowed much earlier than Retire.
//
// Every other call returns a [MisuseError]. When to call:
//
//   - Install: as soon as the secret can be computed, and before the peer can
//     use it. In a full handshake, a server does so when it receives
//     ClientKeyExchange, before it verifies anything, and a client when it
//     creates it. In an abbreviated handshake, a server does so before it sends
//     ChangeCipherSpec, and a client when it receives ServerHello.
//   - Activate: when everything sent so far has been acknowledged, before this
//     end's ChangeCipherSpec, so that nothing outstanding is bound to the old
//     key; at the latest before this end's Finished.
//   - Retire: when the peer's Finished has been verified; this end's
//     ChangeCipherSpec and Finished have been sent under the new key; everything
//     sent under the old key has been acknowledged; and a message sent after the
//     peer's Finished has been acknowledged, or a few retransmission timeouts
//     have passed. A peer that sends its Finished under the old key, as
//     OpenSSL's client does, requires the timeouts, because it retransmits
//     Finished if our acknowledgement was lost.
//   - RetireStale: when the peer's ChangeCipherSpec of the latest handshake has
//     arrived.
//
// The peer's Finished may arrive under the old key or the new one. Key 0 must
// be deleted, because everyone knows it. But a sender retransmits a message
// under the key with which it first sent it, so a key that is deleted too early
// stalls the association forever, without an error at either end.
package authchunk
