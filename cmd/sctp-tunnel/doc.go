// Sctp-tunnel forwards the SCTP associations of a daemon without security over DTLS/SCTP (RFC
// 6083), without changing the daemon. There is one on each side of a network, or a single one if
// the peer supports DTLS/SCTP itself.
//
//	sctp-tunnel server -listen 192.0.2.1:5868 -target 127.0.0.1:3868 \
//		-cert server.pem -key server-key.pem -ca ca.pem -allow dns:mme.example.org
//	sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1:5868 \
//		-cert client.pem -key client-key.pem -ca ca.pem -server-name hss.example.org
//	sctp-tunnel run /etc/sctp-tunnel.toml
//
// "sctp-tunnel config" prints an example of a configuration file, "check" checks one, and "doctor"
// checks the machine.
//
// SSLKEYLOGFILE names a file to which the secrets of each connection are appended in the NSS key
// log format, for Wireshark. Anyone who reads that file can decrypt the connections.
//
// The exit status is 0 if a signal ended it or no error was found; 1 if it could not listen or a
// service failed; and 2 if a flag, an argument or a file is wrong.
package main
