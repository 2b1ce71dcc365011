package sctpdtls_test

import (
	"crypto/tls"
	"fmt"
	"log"
	"log/slog"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Paths that fail are reported, and everything else is logged.
func ExampleTrace() {
	cert, roots := credentials("client.pem", "client-key.pem")
	config := &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		Logger:       slog.Default(),
		Trace: &sctpdtls.Trace{
			Event: func(c *sctpdtls.Conn, ev sctpdtls.Event) {
				if e, ok := ev.(sctpdtls.PeerAddrChange); ok && e.Change == sctpdtls.AddrUnreachable {
					fmt.Printf("%v cannot be reached at %v\n", c.RemoteAddr(), e.Addr)
				}
			},
		},
	}
	conn, err := sctpdtls.Dial("sctp", "192.0.2.1/198.51.100.1:5868", config)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
}
