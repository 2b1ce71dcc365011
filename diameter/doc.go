// Package diameter runs go-diameter (github.com/fiorix/go-diameter/v4) over DTLS over SCTP, as RFC
// 6733, Section 2.1 wants it.
//
// For a server, give [Listen]'s result to diam.Server.Serve; for a client, give
// [Dial]'s to diam.NewConn or sm.Client.NewConn. Both are diam.MultistreamConn
// underneath: an answer goes out on the stream on which its request came in, requests
// on the stream that diam.Message.WriteToStream names, or 0.
//
// # What go-diameter's users should know
//
//   - Messages are sent with payload protocol identifier 47 (RFC 6733, Section 11.4), and taken with any.
//   - RFC 6733, Section 2.1.1 recommends to send everything unordered on stream 0, so that no message waits for another that was lost, and
//     wants messages taken on any stream. Here they are taken on any, ordered or not. What is sent is ordered, for diam.MultistreamConn has no
//     way to say otherwise; what should not wait for each other goes on different streams, as go-diameter does it without DTLS too. So nothing
//     overtakes the CER or CEA on its stream, and not the records of DTLS's handshake, which are on stream 0 (RFC 6083, Section 4.4).
//   - A Diameter message has at most 16,384 bytes (RFC 6083, Section 1.1), unless both ends set
//     MaxMessageSize in their [sctpdtls.Config]: then up to that, or Diameter's 16,777,215 bytes.
//     WriteTo returns a
//     [sctpdtls.MessageTooLargeError] for a larger one; nothing of it was sent, and the connection goes on. A server answers
//     such a request with DIAMETER_UNABLE_TO_COMPLY.
//   - What comes in one message of SCTP has to be one Diameter message or several, each whole and with a header of version 1
//     whose Message Length is true. Anything else is a [MessageError] on ErrorReports, and the connection is closed: go-diameter
//     would make room for any length that a peer claims.
//   - An association that ends without close_notify is reported on ErrorReports as a
//     [sctpdtls.AssociationError]; after close_notify nothing is reported.
//   - diam.Conn.TLS is nil, for it knows crypto/tls only; [StateOf] has the peer's certificates. A state machine
//     of package sm therefore refuses a CER with Inband-Security-Id 1 (TLS), which RFC 6733
//     peers do not send on a connection that is protected already.
//   - go-diameter reads the addresses for its CER out of LocalAddr, but no IPv6 ones: set
//     sm.Settings.HostIPAddresses then.
package diameter
