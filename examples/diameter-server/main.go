// Diameter-server is an HSS that knows one subscriber: it answers S6a's Update-Location-Request
// over DTLS/SCTP.
//
//	diameter-server CERTS ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made.
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter"
	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
)

func main() {
	mux := sm.New(&sm.Settings{OriginHost: "hss.example", OriginRealm: "example", VendorID: 10415,
		ProductName: "hss"})
	mux.HandleIdx(diam.CommandIndex{AppID: diam.TGPP_S6A_APP_ID, Code: diam.UpdateLocation,
		Request: true}, diam.HandlerFunc(updateLocation))
	// was diam.MultistreamListen("sctp", …)
	ln, err := diameter.Listen("sctp", os.Args[2], files.Config(os.Args[1], "server"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	log.Fatal((&diam.Server{Handler: mux}).Serve(ln))
}

func updateLocation(c diam.Conn, m *diam.Message) {
	result := uint32(diam.UnableToComply)
	if imsi, err := m.FindAVP(avp.UserName, 0); err == nil &&
		imsi.Data == datatype.UTF8String("001010000000001") {
		result = diam.Success
	}
	a := m.Answer(result) // on the stream of the request
	a.NewAVP(avp.OriginHost, avp.Mbit, 0, datatype.DiameterIdentity("hss.example"))
	a.NewAVP(avp.OriginRealm, avp.Mbit, 0, datatype.DiameterIdentity("example"))
	if _, err := a.WriteTo(c); err != nil {
		log.Print(err) // a *sctpdtls.MessageTooLargeError, or the connection has ended
	}
	if state, ok := diameter.StateOf(c); ok {
		fmt.Printf("update location: result %d, stream %d, for %s\n", result, m.MessageStream(),
			state.PeerCertificates[0].Subject)
	}
}
