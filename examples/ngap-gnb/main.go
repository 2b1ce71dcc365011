// Ngap-gnb talks to ngap-amf: first on stream 0, then for three UEs on a stream each.
//
//	ngap-gnb CERTS ADDRESS
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func main() {
	config := files.Config(os.Args[1], "client")
	config.SCTP.OutStreams, config.SCTP.MaxInStreams = 16, 16
	amf, err := sctpdtls.Dial("sctp", os.Args[2], config)
	if err != nil {
		log.Fatal(err)
	}
	defer amf.Close()
	for stream, message := range []string{"NG setup", "UE 1", "UE 2", "UE 3"} {
		info := sctpdtls.MessageInfo{Stream: uint16(stream), PPID: sctpdtls.PPIDNGAP}
		if err := amf.WriteMessage([]byte(message), info); err != nil {
			log.Fatal(err)
		}
	}
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for range 4 {
		n, info, err := amf.ReadMessage(buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("stream %d: %s\n", info.Stream, buf[:n])
	}
}
