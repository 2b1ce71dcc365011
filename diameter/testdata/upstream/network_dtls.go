package diam

import (
	"net"
	"slices"
	"time"
)

// TestDial and TestListen are what "sctp" and OverDTLS mean instead of SCTP in clear.
var (
	TestDial   func(laddr net.Addr, address string) (net.Conn, error)
	TestListen func(address string) (net.Listener, error)
	OverDTLS   = []string{"sctp", "sctp4", "sctp6"}
)

type testDialer struct{ laddr net.Addr }

func (d testDialer) Dial(_, address string) (net.Conn, error) { return TestDial(d.laddr, address) }

func getDialer(network string, timeout time.Duration, laddr net.Addr) Dialer {
	if slices.Contains(OverDTLS, network) {
		return testDialer{laddr}
	}
	return clearGetDialer(network, timeout, laddr)
}

func getMultistreamDialer(network string, timeout time.Duration, laddr net.Addr) Dialer {
	if slices.Contains(OverDTLS, network) {
		return testDialer{laddr}
	}
	return clearGetMultistreamDialer(network, timeout, laddr)
}

func Listen(network, address string) (net.Listener, error) {
	return MultistreamListen(network, address)
}

func MultistreamListen(network, address string) (net.Listener, error) {
	if slices.Contains(OverDTLS, network) {
		return TestListen(address)
	}
	return clearMultistreamListen(network, address)
}
