package diameter_test

import (
	"log"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var (
	config *sctpdtls.Config // with certificates: see sctpdtls
	mux    *sm.StateMachine
	client *sm.Client
	m      *diam.Message
)

func ExampleListen() {
	ln, err := diameter.Listen("sctp", ":5868", config) // was diam.MultistreamListen("sctp", ":3868")
	if err != nil {
		log.Fatal(err)
	}
	srv := &diam.Server{Handler: mux}
	err = srv.Serve(ln)
	log.Fatal(err)
}

func ExampleDial() {
	nc, err := diameter.Dial("sctp", "localhost:5868", config)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.NewConn(nc, "localhost:5868") // was client.DialNetwork("sctp", "localhost:3868")
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	m.WriteToStream(c, 3) // as before
}
