// Package authchunk manages SCTP-AUTH (RFC 4895) for DTLS over SCTP.
//
// [Agreement.Check] reports whether the two ends of a new association
// authenticate all user data, without which no byte of DTLS may leave.
// [Keys] gives the association its shared keys, one for each handshake.
// [Params], [KeyVector] and their kin compute the authentication of packets, to
// check captures; a kernel does this by itself.
//
// # The states of the keys
//
// RFC 6083, Section 4.8: every handshake yields a secret, which becomes the key
// with the next identifier. Key 0, whose secret is empty, is there from the
// beginning. After 65535 comes 1.
//
//	state      keys held      active   packets taken under   next
//	initial    0              0        0                     Install
//	installed  n-1, n         n-1      n-1, n                Activate
//	switched   n-1, n         n        n-1, n                Retire, or Install
//	settled    n              n        n                     Install
//
// An Install in the state switched is the next handshake: then there are n-2,
// n-1 and n, of which n-1 is active, and after Activate one Retire deletes
// both old ones. A third handshake is refused, unless RetireStale has deleted
// n-2: that may be done much sooner than Retire.
//
// Everything else is a [MisuseError]. When to call:
//
//   - Install: as early as the secret can be computed, and before the
//     peer can use it. A server in a full handshake does so when it has the
//     ClientKeyExchange, before it verifies anything; a client when it has
//     made it. In an abbreviated handshake the server does so before its
//     ChangeCipherSpec leaves, the client when it has the ServerHello.
//   - Activate: when everything sent so far was acknowledged, before the own
//     ChangeCipherSpec, so that nothing outstanding is bound to
//     the old key. At the latest before the own Finished.
//   - Retire: when all of these hold. The peer's Finished was verified; the own
//     ChangeCipherSpec and Finished are out, under the new key; everything sent
//     under the old key was acknowledged; and a message sent after the peer's Finished
//     was acknowledged, or a few retransmission timeouts have passed. Only time
//     helps with a peer that sends its Finished under the old key, as OpenSSL's
//     client does: it transmits it again if our acknowledgement was lost.
//   - RetireStale: when the peer's ChangeCipherSpec of the newest handshake has come.
//
// The peer's Finished may come under the old key or the new one. Key 0 must be
// retired: anyone who saw the association's first packets can use it. A
// sender, on the other hand, transmits a message again under the key that it
// had at first, so that a key deleted too early stalls the association
// forever, without an error at either end.
package authchunk
