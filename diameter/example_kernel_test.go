//go:build kernel

package diameter_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/dict"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter/internal/testpki"
)

// TestKernelExamples runs the examples against each other. The client's request arrives on stream
// 3.
func TestKernelExamples(t *testing.T) {
	settings := func(name datatype.DiameterIdentity) *sm.Settings {
		return &sm.Settings{OriginHost: name, OriginRealm: "example", ProductName: "test"}
	}
	config = testpki.Config()
	streams := make(chan uint, 1)
	mux = sm.New(settings("hss.example"))
	mux.HandleFunc("CCR", func(c diam.Conn, m *diam.Message) { streams <- m.MessageStream() })
	client = &sm.Client{
		Dict:    dict.Default,
		Handler: sm.New(settings("mme.example")),
		AuthApplicationID: []*diam.AVP{diam.NewAVP(avp.AuthApplicationID, avp.Mbit, 0,
			datatype.Unsigned32(diam.CHARGING_CONTROL_APP_ID))},
	}
	m = diam.NewRequest(diam.CreditControl, diam.CHARGING_CONTROL_APP_ID, nil)
	m.NewAVP(avp.SessionID, avp.Mbit, 0, datatype.UTF8String("1"))

	go ExampleListen() // until the test ends
	listens(t, 5868)
	ExampleDial()
	select {
	case stream := <-streams:
		if stream != 3 {
			t.Errorf("on stream %d", stream)
		}
	case <-time.After(time.Minute):
		t.Error("nothing has come")
	}
}

// listens waits until something listens on a port.
func listens(t *testing.T, port int) {
	for {
		ports, err := os.ReadFile("/proc/net/sctp/eps")
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(ports), fmt.Sprintf(" %d ", port)) {
			return
		}
	}
}
