package diameter_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter"
	"github.com/seed-41f70523/dtls-sctp/diameter/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctptest"
)

// TestWithoutSCTP shows how to test a program that uses go-diameter where there is no SCTP: a
// server and a client on two hosts of a network in memory, which loses packets and then a path,
// with a fake clock.
func TestWithoutSCTP(t *testing.T) {
	config := testpki.Config()
	config.ServerName = "localhost"
	now := time.Now() // by the fake clock, the certificates are not valid yet
	config.Time = func() time.Time { return now }
	synctest.Test(t, func(t *testing.T) {
		network := sctptest.NewNetwork(1)
		defer network.Close()
		network.SetLink(sctptest.Link{
			Delay: 10 * time.Millisecond, Jitter: 5 * time.Millisecond, Loss: 0.02,
		})
		hss := network.Host("10.0.0.1", "10.0.1.1")
		mme := network.Host("10.0.0.2", "10.0.1.2")
		settings := func(name datatype.DiameterIdentity) *sm.Settings {
			return &sm.Settings{OriginHost: name, OriginRealm: "example", ProductName: "test"}
		}

		// The server, in place of diameter.Listen("sctp", ":5868", config).
		inner, err := hss.Listen(":5868", &config.SCTP)
		if err != nil {
			t.Fatal(err)
		}
		ln, err := sctpdtls.NewListener(inner, config)
		if err != nil {
			t.Fatal(err)
		}
		machine := sm.New(settings("hss.example"))
		machine.HandleFunc("CCR", func(c diam.Conn, m *diam.Message) {
			if _, err := m.Answer(diam.Success).WriteTo(c); err != nil {
				t.Error(err)
			}
		})
		served := make(chan error)
		go func() {
			served <- (&diam.Server{Handler: machine}).Serve(&diameter.Listener{Listener: ln})
		}()

		// The client, in place of diameter.Dial("sctp", "10.0.0.1:5868", config).
		assoc, err := mme.Dial(t.Context(), "10.0.0.1:5868", &config.SCTP)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := sctpdtls.Client(assoc, config)
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan uint, 10)
		answered := sm.New(settings("mme.example"))
		answered.HandleFunc("CCA", func(_ diam.Conn, m *diam.Message) { answers <- m.MessageStream() })
		client := &sm.Client{
			Handler: answered,
			AuthApplicationID: []*diam.AVP{diam.NewAVP(avp.AuthApplicationID, avp.Mbit, 0,
				datatype.Unsigned32(diam.CHARGING_CONTROL_APP_ID))},
		}
		c, err := client.NewConn(diameter.NewConn(conn), "10.0.0.1:5868")
		if err != nil {
			t.Fatal(err)
		}
		request := func(stream uint) {
			t.Helper()
			m := diam.NewRequest(diam.CreditControl, diam.CHARGING_CONTROL_APP_ID, nil)
			m.NewAVP(avp.SessionID, avp.Mbit, 0, datatype.UTF8String("1"))
			if _, err := m.WriteToStream(c, stream); err != nil {
				t.Fatal(err)
			}
			if got := <-answers; got != stream {
				t.Errorf("an answer on stream %d to a request on stream %d", got, stream)
			}
		}
		for stream := range uint(8) {
			request(stream)
		}
		hss.Unplug("10.0.0.1") // SCTP continues on the other path
		request(5)

		c.Close()
		ln.Close()
		<-served
	})
}
