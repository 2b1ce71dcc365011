// Sctp-echo tries out DTLS over SCTP (RFC 6083). It is a server that echoes messages, a client that
// sends them and measures, and a generator of test certificates. Its command doctor reports what a
// machine lacks.
//
// To start, on one machine or two:
//
//	sctp-echo certs demo
//	sctp-echo serve -cert demo/server.pem -key demo/server-key.pem -ca demo/ca.pem :5868
//	sctp-echo connect -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868
//
// # Addresses
//
// An address is HOST:PORT; a host with several addresses (multi-homing) is written
// with slashes between them, as in 192.0.2.1/198.51.100.1:5868. IPv6 addresses
// are put in brackets: [2001:db8::1]/[2001:db8::2]:5868. A server that gives only
// :5868 listens on all addresses of its host.
//
// # Exit status
//
//	0  every echo came back intact; or a signal or -once ended the server
//	1  an echo was lost or wrong, or the connection broke
//	2  a flag, an argument or a file is wrong; nothing was sent
//	3  no connection was made, because of SCTP, SCTP-AUTH, the handshake or the port; or doctor
//	   found a reason
//
// Each error is one line on standard error, with its remedy.
//
// # Environment
//
// SSLKEYLOGFILE names a file to which the secrets of each connection are
// appended in NSS key log format, for Wireshark. Whoever has that file can decrypt the connections.
//
// NO_COLOR disables color, which only terminals get.
package main
