//go:build kernel

package diameter

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/diam/avp"
	"github.com/fiorix/go-diameter/v4/diam/datatype"
	"github.com/fiorix/go-diameter/v4/diam/sm"

	"github.com/seed-41f70523/dtls-sctp/diameter/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// patience is how long a test waits for an event.
const patience = time.Minute

// vendor3GPP is the Vendor-Id of 3GPP, for S6a.
const vendor3GPP = 10415

func settings(name string) *sm.Settings {
	return &sm.Settings{
		OriginHost:  datatype.DiameterIdentity(name),
		OriginRealm: "example",
		VendorID:    vendor3GPP,
		ProductName: "test",
	}
}

// An hss is a server of S6a on the loopback interface, which exists until the test ends. It answers
// an Update-Location-Request with a User-Name of the length that the request asks for.
type hss struct {
	*Listener
	*sm.StateMachine
	streams   chan uint     // of the requests
	errors    chan error    // of answers that could not be sent
	served    chan error    // what Serve returned
	gone      chan struct{} // receives when a client has disconnected
	peers     chan string   // the identities of clients
	watchdogs chan uint     // streams of the DWR
}

func newHSS(t *testing.T) *hss {
	t.Helper()
	ln, err := Listen("sctp", "127.0.0.1:0", testpki.Config())
	if err != nil {
		t.Fatal(err)
	}
	h := &hss{
		Listener:     ln,
		StateMachine: sm.New(settings("hss")),
		streams:      make(chan uint, 100),
		errors:       make(chan error, 100),
		served:       make(chan error, 1),
		gone:         make(chan struct{}, 1),
		peers:        make(chan string, 100),
		watchdogs:    make(chan uint, 100),
	}
	h.HandleIdx(diam.CommandIndex{AppID: diam.TGPP_S6A_APP_ID, Code: diam.UpdateLocation,
		Request: true}, diam.HandlerFunc(h.updateLocation))
	go func() { h.served <- (&diam.Server{Handler: h}).Serve(h) }()
	t.Cleanup(func() { h.Close() })
	return h
}

// ServeDIAM sees all messages before the state machine, which has its own handlers for the base
// protocol.
func (h *hss) ServeDIAM(c diam.Conn, m *diam.Message) {
	if m.Header.CommandCode == diam.DeviceWatchdog {
		h.watchdogs <- m.MessageStream()
	}
	h.StateMachine.ServeDIAM(c, m)
}

func (h *hss) updateLocation(c diam.Conn, m *diam.Message) {
	var request struct {
		UserName string `avp:"User-Name"`
	}
	if err := m.Unmarshal(&request); err != nil {
		h.errors <- err
		return
	}
	gone := c.(diam.CloseNotifier).CloseNotify()
	go func() {
		<-gone
		h.gone <- struct{}{}
	}()
	if state, ok := StateOf(c); ok {
		h.peers <- state.PeerCertificates[0].Subject.CommonName
	}
	h.streams <- m.MessageStream()
	size := 0
	fmt.Sscan(request.UserName, &size)
	a := m.Answer(diam.Success)
	a.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String(strings.Repeat("x", size)))
	if _, err := a.WriteTo(c); err != nil {
		h.errors <- err
		m.Answer(diam.UnableToComply).WriteTo(c)
	}
}

// newMME returns a client of S6a after the capabilities exchange, and a channel with the answers
// that it receives.
func newMME(t *testing.T, h *hss) (diam.Conn, *sm.Client, chan *diam.Message) {
	t.Helper()
	answers := make(chan *diam.Message, 100)
	machine := sm.New(settings("mme"))
	machine.HandleIdx(diam.CommandIndex{AppID: diam.TGPP_S6A_APP_ID, Code: diam.UpdateLocation},
		diam.HandlerFunc(func(_ diam.Conn, m *diam.Message) {
			answers <- m
		}))
	client := &sm.Client{
		Handler: machine,
		// go-diameter drops a DWA that arrives before it waits for one; then it must send another
		// DWR.
		RetransmitInterval: patience / 6,
		MaxRetransmits:     5,
		EnableWatchdog:     true,
		WatchdogInterval:   50 * time.Millisecond,
		WatchdogStream:     3,
		VendorSpecificApplicationID: []*diam.AVP{diam.NewAVP(avp.VendorSpecificApplicationID, avp.Mbit, 0,
			&diam.GroupedAVP{AVP: []*diam.AVP{
				diam.NewAVP(avp.AuthApplicationID, avp.Mbit, 0, datatype.Unsigned32(diam.TGPP_S6A_APP_ID)),
				diam.NewAVP(avp.VendorID, avp.Mbit, 0, datatype.Unsigned32(vendor3GPP)),
			}})},
	}
	nc, err := Dial("sctp", h.Addr().String(), testpki.Config())
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.NewConn(nc, h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, client, answers
}

// request returns an Update-Location-Request that asks for an answer of at least size bytes.
func request(size int) *diam.Message {
	m := diam.NewRequest(diam.UpdateLocation, diam.TGPP_S6A_APP_ID, nil)
	m.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String(fmt.Sprint(size)))
	return m
}

// wait returns the next value from ch.
func wait[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("%s: nothing within %v", what, patience)
	}
	return v
}

func resultCode(t *testing.T, m *diam.Message) datatype.Type {
	t.Helper()
	a, err := m.FindAVP(avp.ResultCode, 0)
	if err != nil {
		t.Fatal(err)
	}
	return a.Data
}

// TestS6a checks the capabilities exchange, requests on several streams whose answers use the same
// streams, watchdogs at the same time, and that go-diameter is notified of a close.
func TestS6a(t *testing.T) { // RFC 6733, Sections 2.1 and 5
	h := newHSS(t)
	c, _, answers := newMME(t, h)
	for _, stream := range []uint{0, 5, 15, 1} {
		if _, err := request(1000).WriteToStream(c, stream); err != nil {
			t.Fatal(err)
		}
		if got := wait(t, "request", h.streams); got != stream {
			t.Errorf("the request came on stream %d, want %d", got, stream)
		}
		a := wait(t, "answer", answers)
		if a.MessageStream() != stream || resultCode(t, a) != datatype.Unsigned32(diam.Success) {
			t.Errorf("answer on stream %d, want %d:\n%s", a.MessageStream(), stream, a)
		}
		if name := wait(t, "peer", h.peers); name != "diameter test" {
			t.Errorf("the client is %q", name)
		}
	}
	if got := c.LocalAddr().String(); net.ParseIP(strings.Split(got, ":")[0]) == nil {
		t.Errorf("local address %q: go-diameter wants ip/ip:port", got)
	}
	c.Close()
	c.Close()
	wait(t, "CloseNotify at the server", h.gone)
	select {
	case e := <-h.ErrorReports():
		t.Errorf("after close_notify: %v", e)
	default:
	}
}

// TestDialer checks that a Dialer dials from its local address.
func TestDialer(t *testing.T) {
	h := newHSS(t)
	local, err := sctpdtls.ResolveAddr(t.Context(), "sctp", "127.0.0.9:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&Dialer{Config: testpki.Config(), LocalAddr: local}).DialContext(t.Context(), "sctp",
		h.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := c.LocalAddr().String(); !strings.HasPrefix(got, "127.0.0.9:") {
		t.Errorf("dialed from %s", got)
	}
	if _, ok := c.(diam.MultistreamConn); !ok {
		t.Errorf("%T is no diam.MultistreamConn", c)
	}
}

// TestWatchdog checks that the client sends a DWR only after the previous one was answered.
func TestWatchdog(t *testing.T) {
	h := newHSS(t)
	newMME(t, h)
	for range 3 {
		if stream := wait(t, "DWR", h.watchdogs); stream != 3 {
			t.Errorf("DWR on stream %d, want 3", stream)
		}
	}
}

// TestLargeMessages checks that the largest message arrives, and that a larger one is refused with
// a typed error at either endpoint while the connection remains usable.
func TestLargeMessages(t *testing.T) { // RFC 6083, Section 1.1
	h := newHSS(t)
	c, _, answers := newMME(t, h)
	m := request(1)
	m.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String(strings.Repeat("x",
		sctpdtls.MaxMessageSize-m.Len()-8)))
	if _, err := m.WriteTo(c); err != nil || m.Len() != sctpdtls.MaxMessageSize {
		t.Errorf("message of %d bytes: %v", m.Len(), err)
	}
	wait(t, "answer to the largest request", answers)

	m.NewAVP(avp.UserName, avp.Mbit, 0, datatype.UTF8String("x"))
	var large *sctpdtls.MessageTooLargeError
	if n, err := m.WriteTo(c); n != 0 || !errors.As(err, &large) || large.Size != m.Len() {
		t.Errorf("message of %d bytes: %d, %v, want MessageTooLargeError", m.Len(), n, err)
	}
	if _, err := request(sctpdtls.MaxMessageSize).WriteTo(c); err != nil {
		t.Fatal(err)
	}
	if err := wait(t, "the server's error", h.errors); !errors.As(err, &large) {
		t.Errorf("the server's error is %v, want MessageTooLargeError", err)
	}
	if a := wait(t, "answer to what cannot be answered", answers); resultCode(t,
		a) != datatype.Unsigned32(diam.UnableToComply) {
		t.Errorf("answer:\n%s", a)
	}
}

// TestTruncation checks that the reason is reported if an association ends without a close_notify
// alert.
func TestTruncation(t *testing.T) {
	h := newHSS(t)
	c, _, answers := newMME(t, h)
	if _, err := request(1).WriteTo(c); err != nil {
		t.Fatal(err)
	}
	wait(t, "answer", answers)
	c.Connection().(*Conn).Conn.(*sctpdtls.Conn).Abort()
	for {
		e := wait(t, "error report", h.ErrorReports())
		var end *sctpdtls.AssociationError
		if errors.As(e.Error, &end) {
			if end.State != sctpdtls.AssocAborted {
				t.Errorf("the end of the association: %v", end)
			}
			break
		}
	}
	wait(t, "CloseNotify at the server", h.gone)
}

// TestAccept checks that Accept never returns the error of a failed handshake, and that the server
// returns when the listener is closed.
func TestAccept(t *testing.T) {
	h := newHSS(t)
	stranger := testpki.Config()
	stranger.Certificates = nil
	stranger.MaxVersion = sctpdtls.VersionDTLS12
	if c, err := Dial("sctp", h.Addr().String(), stranger); err == nil {
		c.Close()
		t.Error("a client without a certificate was let in")
	}
	_, _, _ = newMME(t, h) // the server still serves
	h.Close()
	if err := wait(t, "end of Serve", h.served); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve returned %v, want net.ErrClosed", err)
	}
	if err := h.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

// TestErrors checks that without a server, the connection is an untyped nil and the error has a
// reason.
func TestErrors(t *testing.T) {
	if c, err := Dial("sctp", "127.0.0.1:1", nil); c != nil || err == nil {
		t.Errorf("Dial: %v, %v", c, err)
	}
	if l, err := Listen("sctp", "127.0.0.1:0", nil); l != nil || err == nil {
		t.Errorf("Listen: %v, %v", l, err)
	}
}
