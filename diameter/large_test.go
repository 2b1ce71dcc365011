package diameter

import (
	"bytes"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/dict"

	"github.com/seed-41f70523/dtls-sctp/diameter/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestLargeMessagesOverUDP checks that with support for large messages at both endpoints, large
// messages of go-diameter arrive whole, and that still larger ones are refused.
func TestLargeMessagesOverUDP(t *testing.T) {
	const largest = 1 << 20
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(udp.LocalAddr().(*net.UDPAddr).Port)
	udp.Close()
	config := testpki.Config()
	config.MaxMessageSize, config.SCTP.UDPEncapPort = largest, port
	l, err := Listen("sctp+udp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	requests := make(chan *diam.Message, 1)
	failed := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		for err == nil {
			var m *diam.Message
			if m, err = diam.ReadMessage(c.(*Conn), dict.Default); err == nil {
				requests <- m
			}
		}
		failed <- err
	}()
	c, err := Dial("sctp+udp", l.Addr().String(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	request := func(size int) *diam.Message {
		m := diam.NewRequest(diam.CreditControl, 4, dict.Default)
		m.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String(strings.Repeat("x", size-m.Len()-8)))
		return m
	}
	for _, size := range []int{1000, 16384, 16388, 300_000, largest} {
		m := request(size)
		if _, err := m.WriteTo(c); err != nil || m.Len() != size {
			t.Fatalf("message of %d bytes: %v", m.Len(), err)
		}
		select {
		case got := <-requests:
			want, _ := m.Serialize()
			if b, err := got.Serialize(); err != nil || !bytes.Equal(b, want) {
				t.Errorf("%d bytes came as %d, %v", size, len(b), err)
			}
		case err := <-failed:
			t.Fatalf("%d bytes: %v", size, err)
		}
	}
	var large *sctpdtls.MessageTooLargeError
	if _, err := request(largest + 4).WriteTo(c); !errors.As(err, &large) || large.Limit != largest {
		t.Errorf("message of %d bytes: %v, want MessageTooLargeError", largest+4, err)
	}
}
