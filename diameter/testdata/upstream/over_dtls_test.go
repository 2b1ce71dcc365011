package PACKAGE

import (
	"context"
	"net"

	"github.com/fiorix/go-diameter/v4/diam"
	"github.com/fiorix/go-diameter/v4/testpki" // a copy of our internal/testpki

	"github.com/seed-41f70523/dtls-sctp/diameter"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func init() {
	diam.TestListen = func(address string) (net.Listener, error) {
		return diameter.Listen("sctp", address, testpki.Config())
	}
	diam.TestDial = func(laddr net.Addr, address string) (net.Conn, error) {
		local, _ := laddr.(*sctpdtls.Addr)
		return (&diameter.Dialer{Config: testpki.Config(),
			LocalAddr: local}).DialContext(context.Background(), "sctp", address)
	}
}
