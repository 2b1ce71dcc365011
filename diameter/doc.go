// Package diameter runs go-diameter (github.com/fiorix/go-diameter/v4) over DTLS over SCTP, as RFC
// 6733, Section 2.1 requires.
//
// A server passes the result of [Listen] to diam.Server.Serve; a client passes that of [Dial] to
// diam.NewConn or sm.Client.NewConn. Both are a diam.MultistreamConn: an answer is sent on the
// stream of its request, and a request on the stream that diam.Message.WriteToStream names, or 0.
//
// # Notes for users of go-diameter
//
//   - Messages are sent with payload protocol identifier 47 (RFC 6733, Section 11.4), and accepted
//     with any.
//   - RFC 6733, Section 2.1.1 recommends sending all messages unordered on stream 0, so that none
//     waits for another that was lost, and requires accepting messages on any stream. This package
//     accepts them on any stream, ordered or not. It sends ordered messages, because
//     diam.MultistreamConn cannot express otherwise; messages that should not wait for each other
//     must use different streams, as in go-diameter without DTLS. So nothing overtakes the CER or
//     CEA on its stream, nor the DTLS handshake, which is on stream 0 (RFC 6083, Section 4.4).
//   - A Diameter message has at most 16,384 bytes (RFC 6083, Section 1.1), unless both ends set
//     MaxMessageSize in their [sctpdtls.Config]; the limit is then that value, or Diameter's
//     16,777,215 bytes. For a larger message, WriteTo returns a [sctpdtls.MessageTooLargeError] and
//     sends nothing, and the connection continues. A server answers such a request with
//     DIAMETER_UNABLE_TO_COMPLY.
//   - Each received SCTP message must consist of one or more complete Diameter messages with a
//     header of version 1 and a correct Message Length. Anything else is a [MessageError] on
//     ErrorReports, and closes the connection: go-diameter would allocate whatever length a peer
//     claims.
//   - The end of an association without close_notify is reported on ErrorReports as a
//     [sctpdtls.AssociationError]; after close_notify nothing is reported.
//   - diam.Conn.TLS is nil, because it supports only crypto/tls; [StateOf] returns the peer's
//     certificates. A state machine of package sm therefore rejects a CER with Inband-Security-Id 1
//     (TLS), which RFC 6733 peers do not send on a protected connection.
//   - go-diameter takes the addresses for its CER from LocalAddr, but not IPv6 addresses. For
//     those, set sm.Settings.HostIPAddresses.
package diameter
