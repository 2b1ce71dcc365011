package sctpdtls

import (
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

func TestHostOfPeer(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want string
	}{
		{&Addr{IPAddrs: []net.IPAddr{{IP: net.ParseIP("192.0.2.1")}, {IP: net.ParseIP("192.0.2.2")}}},
			"192.0.2.1/32"},
		{&Addr{IPAddrs: []net.IPAddr{{IP: net.ParseIP("2001:db8:0:1:2:3:4:5")}}}, "2001:db8:0:1::/64"},
		{&Addr{IPAddrs: []net.IPAddr{{IP: net.ParseIP("fe80::1"), Zone: "eth0"}}}, "fe80::/64"},
		{new(Addr), "invalid Prefix"},
		{new(net.IPAddr), "invalid Prefix"},
	}
	for _, test := range tests {
		if got := hostOfPeer(test.addr).String(); got != test.want {
			t.Errorf("%v: host %s, want %s", test.addr, got, test.want)
		}
	}
}

// A hostAssociation comes from a host.
type hostAssociation struct {
	*memAssociation
	host net.IP
}

func (h *hostAssociation) RemoteAddr() net.Addr {
	return &Addr{IPAddrs: []net.IPAddr{{IP: h.host}}, Port: 1}
}

// A host that stalls in very many handshakes has a part of them ended, and others are served.
func TestAttackE12FloodOfOneHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.MaxHandshakes, config.MaxHandshakesPerHost = 8, 3
		refused := 0
		config.Trace = &Trace{HandshakeDone: func(_ net.Addr, _ ConnectionState, err error) {
			if e, ok := errtype.As[*HandshakeLimitError](err); ok && e.Limit == 3 &&
				e.Host.String() == "192.0.2.1/32" {
				refused++
			}
		}}
		socket := newFakeListener()
		l := newListener(socket, config)
		from := func(host string) *Conn {
			a, b := assoctest.Pair(t, assoctest.Options{Delay: time.Millisecond})
			socket.assocs <- &hostAssociation{&memAssociation{Assoc: b}, net.ParseIP(host)}
			synctest.Wait()
			core, err := dtlscore.Client(clientConfig().core())
			if err != nil {
				t.Fatal(err)
			}
			c, err := newConn(&memAssociation{Assoc: a}, clientConfig(), core)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		for range 100 {
			from("192.0.2.1")
		}
		if refused != 97 {
			t.Errorf("%d were refused, want 97", refused)
		}
		served := func(host string) {
			t.Helper()
			c := from(host)
			s := acceptHandshake(t, l, c)
			s.Abort()
			c.Abort()
		}
		for range 5 {
			served("192.0.2.2")
		}
		time.Sleep(11 * time.Second) // the others have timed out
		served("192.0.2.1")
		l.Close()
	})
}

// A stranger that says it has thousands of addresses does not fill the log.
func TestAddressesInTheLogAreBounded(t *testing.T) {
	a := &Addr{Port: 5868}
	for i := range 8000 {
		a.IPAddrs = append(a.IPAddrs, net.IPAddr{IP: net.IPv4(192, 0, byte(i>>8), byte(i))})
	}
	if s := shown(a); len(s) > 200 || !strings.Contains(s, "192.0.0.0") ||
		!strings.Contains(s, "7992 more") {
		t.Errorf("%d bytes: %.300s", len(s), s)
	}
	a.IPAddrs = a.IPAddrs[:2]
	if s := shown(a); s != a.String() {
		t.Errorf("%s", s)
	}
}

// Hosts whose address is not known are one host, lest whoever hides its address may have any number
// of handshakes.
func TestUnknownHostsAreOne(t *testing.T) {
	c := newHostLimit(2)
	for i, host := range []netip.Prefix{{}, netip.MustParsePrefix("192.0.2.1/32"), {}, {}} {
		err := c.enter(host)
		e, refused := errtype.As[*HandshakeLimitError](err)
		if refused != (i == 3) || refused && (e.Limit != 2 || !strings.Contains(e.Error(), "unknown")) {
			t.Errorf("handshake %d, with %v: %v", i, host, err)
		}
	}
	c.leave(netip.Prefix{})
	if err := c.enter(netip.Prefix{}); err != nil {
		t.Error(err)
	}
}
