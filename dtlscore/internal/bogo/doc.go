// Command bogo is the shim through which ssl/test/runner of BoringSSL, known
// as BoGo, tests package dtlscore. The runner speaks DTLS with deliberate
// faults; this program is its peer, one process for each test.
//
//	go test -shim-path .../bogo -shim-config .../config.json
//
// in that directory runs the suite; docs/testing.md has the results, and scripts/bogo
// the whole command line. The runner and the shim meet on a TCP connection of
// the loopback interface, on which packets keep their bounds as they do in
// SCTP. In each of them comes one record, or several as over UDP; the shim
// cuts those apart, since dtlscore takes exactly one at a time (RFC 6083,
// Section 4.1).
//
// The connection is in order, so that the events of dtlscore that ask for a
// flush or for reading what has arrived need nothing done.
//
// config.json says which tests do not apply and why, and which of our error
// texts stand for those of BoringSSL.
package main
