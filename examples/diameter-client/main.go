// Diameter-client is an MME that sends S6a's Update-Location-Request over DTLS/SCTP on several
// streams.
//
//	diameter-client CERTS ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made.
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter"
	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
)

func main() {
	mux := sm.New(&sm.Settings{OriginHost: "mme.example", OriginRealm: "example", VendorID: 10415,
		ProductName: "mme"})
	answers := make(chan *diam.Message)
	mux.HandleFunc("ULA", func(_ diam.Conn, m *diam.Message) { answers <- m })

	// was client.DialNetwork("sctp", …)
	nc, err := diameter.Dial("sctp", os.Args[2], files.Config(os.Args[1], "client"))
	if err != nil {
		log.Fatal(err)
	}
	client := &sm.Client{Handler: mux, EnableWatchdog: true,
		VendorSpecificApplicationID: []*diam.AVP{s6a()}}
	c, err := client.NewConn(nc, os.Args[2]) // CER and CEA; from here DWR and DWA
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for stream := range uint(4) {
		m := diam.NewRequest(diam.UpdateLocation, diam.TGPP_S6A_APP_ID, nil)
		m.NewAVP(avp.SessionID, avp.Mbit, 0, datatype.UTF8String(fmt.Sprintf("mme.example;1;%d", stream)))
		m.NewAVP(avp.OriginHost, avp.Mbit, 0, datatype.DiameterIdentity("mme.example"))
		m.NewAVP(avp.OriginRealm, avp.Mbit, 0, datatype.DiameterIdentity("example"))
		m.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String("001010000000001"))
		if _, err := m.WriteToStream(c, stream); err != nil {
			log.Fatal(err)
		}
		select {
		case a := <-answers:
			var answer struct {
				Result int `avp:"Result-Code"`
			}
			err := a.Unmarshal(&answer)
			fmt.Printf("stream %d: result %d %v\n", a.MessageStream(), answer.Result, err)
		case <-time.After(time.Minute):
			log.Fatal("no answer")
		}
	}
}

// s6a tells the server which application this client speaks.
func s6a() *diam.AVP {
	return diam.NewAVP(avp.VendorSpecificApplicationID, avp.Mbit, 0, &diam.GroupedAVP{AVP: []*diam.AVP{
		diam.NewAVP(avp.VendorID, avp.Mbit, 0, datatype.Unsigned32(10415)),
		diam.NewAVP(avp.AuthApplicationID, avp.Mbit, 0, datatype.Unsigned32(diam.TGPP_S6A_APP_ID)),
	}})
}
