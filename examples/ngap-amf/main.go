// Ngap-amf is the accept loop of an AMF, as free5GC has it with github.com/free5gc/sctp, moved to
// DTLS/SCTP (3GPP TS 33.501, Section 9.2; TS 38.412). What was there before is in the comments.
//
//	ngap-amf CERTS ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made. NGAP itself is not here: each message gets an
// answer that says what it would be for.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// nonUE is the stream that 3GPP TS 38.412, Section 7 keeps for signalling that belongs to no UE.
const nonUE = 0

func main() {
	config := files.Config(os.Args[1], "server")
	// was InitMsg{NumOstreams: 16, MaxInstreams: 16}
	config.SCTP.OutStreams, config.SCTP.MaxInStreams = 16, 16
	config.PPID = sctpdtls.PPIDNGAP                        // was SetDefaultSentParam with PPID 60
	ln, err := sctpdtls.Listen("sctp", os.Args[2], config) // was sctpConfig.Listen("sctp", addr)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	if err := run(ln); err != nil {
		log.Fatal(err)
	}
}

// run accepts gNBs until ln is closed.
func run(ln *sctpdtls.Listener) error {
	for {
		gnb, err := ln.AcceptConn(context.Background()) // was AcceptSCTP(timeout): authenticated now
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		go serve(gnb)
	}
}

// serve reads what one gNB sends; one goroutine for each is enough.
func serve(gnb *sctpdtls.Conn) {
	defer gnb.Close()
	// who it is; was RemoteAddr, which is no identity
	name := gnb.ConnectionState().PeerCertificates[0].Subject
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		// was SCTPRead(buf), with a switch on EAGAIN, EINTR and notifications
		n, info, err := gnb.ReadMessage(buf)
		switch {
		case err == io.EOF:
			fmt.Println(name, "has closed")
			return
		case err != nil:
			fmt.Println(name, "is lost:", err) // an *sctpdtls.AssociationError says how
			return
		case info.PPID != sctpdtls.PPIDNGAP: // was 60, which is NGAP without DTLS
			continue
		}
		if err := handle(gnb, info.Stream, buf[:n]); err != nil {
			fmt.Println(name, "cannot be answered:", err)
			return
		}
	}
}

// handle answers on the stream that the message came on: all of one UE stays in order.
func handle(gnb *sctpdtls.Conn, stream uint16, message []byte) error {
	answer := fmt.Sprintf("for a UE: %s", message)
	if stream == nonUE {
		answer = fmt.Sprintf("for the gNB: %s", message)
	}
	return gnb.WriteMessage([]byte(answer),
		sctpdtls.MessageInfo{Stream: stream, PPID: sctpdtls.PPIDNGAP})
}
