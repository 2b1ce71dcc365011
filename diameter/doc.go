// Package diameter runs go-diameter (github.com/fiorix/go-diameter/v4) over DTLS over SCTP, as RFC 6733,
// Section 2.1 wants it.
//
// For a server, give [Listen]'s result to diam.Server.Serve; for a client, give
// [Dial]'s to diam.NewConn or sm.Client.NewConn. Both are diam.MultistreamConn
// underneath: an answer goes out on the stream on which its request came in, requests
// on the stream that diam.Message.WriteToStream names, or 0.
//
// # What go-diameter's users should know
//
//   - Messages are sent with payload protocol identifier 47 (RFC 6733, Section 11.4), and taken with any.
//   - A Diameter message has at most 16,384 bytes here (RFC 6083, Section 1.1). WriteTo returns a
//     [sctpdtls.MessageTooLargeError] for a larger one; nothing of it was sent, and the connection goes on. A server answers
//     such a request with DIAMETER_UNABLE_TO_COMPLY.
//   - An association that ends without close_notify is reported on ErrorReports as a
//     [sctpdtls.AssociationError]; after close_notify nothing is reported.
//   - diam.Conn.TLS is nil, for it knows crypto/tls only; [StateOf] has the peer's certificates. A state machine
//     of package sm therefore refuses a CER with Inband-Security-Id 1 (TLS), which RFC 6733
//     peers do not send on a connection that is protected already.
//   - go-diameter reads the addresses for its CER out of LocalAddr, but no IPv6 ones: set
//     sm.Settings.HostIPAddresses then.
package diameter
