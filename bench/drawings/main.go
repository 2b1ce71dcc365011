// Command drawings draws the figures of the documents that do not show measurements:
//
//	drawings FOLDER
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: drawings FOLDER")
		os.Exit(2)
	}
	for name, svg := range map[string][]byte{
		"handshake12.svg": handshake12.draw(),
		"handshake13.svg": handshake13.draw(),
		"overview.svg":    overview(),
		"tunnel.svg":      tunnelled(),
	} {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), svg, 0o666); err != nil {
			fmt.Fprintln(os.Stderr, "drawings:", err)
			os.Exit(1)
		}
	}
}

// handshake12 is the first handshake of DTLS 1.2 over SCTP (RFC 6083), with mutual authentication.
var handshake12 = sequence{"The first handshake of DTLS 1.2 over SCTP", []step{
	{both, "INIT, INIT ACK: CHUNKS lists DATA, HMAC-ALGO", ""},
	{does, "peer lists DATA? if not: abort", "peer lists DATA? if not: abort"},
	{phase, "SCTP-AUTH key 0 (empty), stream 0, ordered", ""},
	{toServer, "ClientHello", ""},
	{toClient, "ServerHello, Certificate, …, ServerHelloDone", ""},
	{toServer, "Certificate, ClientKeyExchange", ""},
	{does, "export 64 bytes, install key 1", "export 64 bytes, install key 1"},
	{toServer, "CertificateVerify", ""},
	{waits, "flush: all is acknowledged", ""},
	{does, "", "verify the client"},
	{clientKey, "key 1 is active", ""},
	{toServer, "ChangeCipherSpec (epoch 0)", ""},
	{toServer, "Finished (epoch 1)", ""},
	{waits, "", "drain: all that came before is read"},
	{does, "", "read in epoch 1, verify Finished"},
	{waits, "", "flush: all is acknowledged"},
	{serverKey, "", "key 1 is active, key 0 is deleted"},
	{toClient, "ChangeCipherSpec (epoch 0)", ""},
	{toClient, "Finished (epoch 1)", ""},
	{waits, "drain: all that came before is read", "flush: Finished is acknowledged"},
	{does, "read in epoch 1, verify Finished", "complete: the gate opens"},
	{does, "key 0 is deleted; complete: the gate opens", ""},
	{phase, "SCTP-AUTH key 1, epoch 1, any stream", ""},
	{both, "application data: one record is one message", ""},
}}

// handshake13 is the handshake of DTLS 1.3 over SCTP, with mutual authentication, and a KeyUpdate.
var handshake13 = sequence{"The handshake of DTLS 1.3 over SCTP, and KeyUpdate", []step{
	{phase, "SCTP-AUTH key 0 (empty), stream 0, ordered", ""},
	{toServer, "ClientHello (epoch 0)", ""},
	{toClient, "ServerHello (epoch 0)", ""},
	{toClient, "EncryptedExtensions, …, CertificateVerify (epoch 2)", ""},
	{does, "", "export 64 bytes, install key 1"},
	{toClient, "Finished (epoch 2)", ""},
	{does, "verify the server", ""},
	{does, "export 64 bytes, install key 1", ""},
	{waits, "flush: all is acknowledged", ""},
	{clientKey, "key 1 is active", ""},
	{toServer, "Certificate, CertificateVerify, Finished (epoch 2)", ""},
	{does, "", "verify the client"},
	{waits, "", "flush: all is acknowledged"},
	{serverKey, "", "key 1 is active, key 0 is deleted"},
	{toClient, "ACK, NewSessionTicket (epoch 3)", ""},
	{does, "accepted: key 0 is deleted", "complete: the gate opens"},
	{does, "complete: the gate opens", ""},
	{phase, "SCTP-AUTH key 1, epoch 3, any stream", ""},
	{both, "application data: one record is one message", ""},
	{phase, "later, a KeyUpdate: here the client's", ""},
	{waits, "flush: all is acknowledged", ""},
	{toServer, "KeyUpdate (epoch 3)", ""},
	{does, "", "read in epochs 3 and 4"},
	{toClient, "ACK (epoch 3)", ""},
	{does, "write in epoch 4; key 1 stays", ""},
}}
