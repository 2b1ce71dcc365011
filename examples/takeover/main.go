//go:build linux && !386

// Takeover protects associations that another library has accepted: those of
// github.com/ishidawataru/sctp, of 30 May 2025 or later, whose sockets have SyscallConn. It sends
// back what it receives.
//
//	takeover CERTS ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/ishidawataru/sctp"

	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func main() {
	config := files.Config(os.Args[1], "server")
	addr, err := sctp.ResolveSCTPAddr("sctp", os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	socket := sctp.SocketConfig{Control: sctpdtls.RequestAuth} // SCTP-AUTH has to be asked for before
	ln, err := socket.Listen("sctp", addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	for {
		theirs, err := ln.AcceptSCTP()
		if err != nil {
			log.Fatal(err)
		}
		association, err := sctpdtls.FromSocket(theirs, nil)
		if err != nil { // the peer has no SCTP-AUTH, perhaps
			log.Print(err)
			theirs.Close()
			continue
		}
		conn, err := sctpdtls.Server(association, config)
		if err != nil {
			log.Fatal(err) // what is wrong with config
		}
		go echo(conn)
	}
}

// echo does the handshake with the first call, and closes their socket with the connection.
func echo(conn *sctpdtls.Conn) {
	defer conn.Close()
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		n, info, err := conn.ReadMessage(buf)
		if err != nil {
			log.Print(err) // io.EOF after a close_notify
			return
		}
		if err := conn.WriteMessage(buf[:n], info); err != nil {
			log.Print(err)
			return
		}
	}
}
