//go:build !386

// That library has no SCTP for 386.

package sctpdtls_test

import (
	"crypto/tls"
	"fmt"
	"log"

	"github.com/ishidawataru/sctp"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An association that another library has set up is protected. Its socket has to ask for SCTP-AUTH first.
func ExampleServer() {
	cert, roots := credentials("server.pem", "server-key.pem")
	addr, err := sctp.ResolveSCTPAddr("sctp", "192.0.2.1/198.51.100.1:38412")
	if err != nil {
		log.Fatal(err)
	}
	socket := sctp.SocketConfig{Control: sctpdtls.RequestAuth}
	ln, err := socket.Listen("sctp", addr)
	if err != nil {
		log.Fatal(err)
	}
	for {
		theirs, err := ln.AcceptSCTP()
		if err != nil {
			log.Fatal(err)
		}
		conn, err := sctpdtls.Server(theirs, &sctpdtls.Config{
			Certificates: []tls.Certificate{cert},
			ClientCAs:    roots,
			ClientAuth:   tls.RequireAndVerifyClientCert,
			PPID:         sctpdtls.PPIDNGAP,
		})
		if err != nil { // the peer has no SCTP-AUTH, perhaps
			log.Print(err)
			theirs.Close()
			continue
		}
		go func() {
			defer conn.Close() // theirs with it
			fmt.Fprint(conn, "the handshake comes first")
		}()
	}
}
