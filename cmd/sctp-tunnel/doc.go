// Sctp-tunnel carries the SCTP associations of a daemon that has no security over DTLS/SCTP (RFC
// 6083), without a change to the daemon: one on each side of a network, or one beside a peer that
// speaks DTLS/SCTP itself.
//
//	sctp-tunnel server -listen 192.0.2.1:5868 -target 127.0.0.1:3868 \
//		-cert server.pem -key server-key.pem -ca ca.pem -allow dns:mme.example.org
//	sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1:5868 \
//		-cert client.pem -key client-key.pem -ca ca.pem -server-name hss.example.org
//	sctp-tunnel run /etc/sctp-tunnel.toml
//
// “sctp-tunnel config” shows what can be in a file, “check” finds what is wrong with one,
// and “doctor” what is wrong with the machine.
//
// SSLKEYLOGFILE names a file to which the secrets of each connection are appended, in NSS key log
// format, for Wireshark. Who reads that file reads the connections.
//
// The exit status is 0 if a signal has ended it, or nothing was found wrong; 1 if it could not
// listen or lost what it needs; 2 if a flag, an argument or a file is wrong.
package main
