package relay_test

import (
	"context"
	"log"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls/relay"
)

// A client that keeps a connection of DTLS 1.3 for years: before the key of SCTP-AUTH has served
// for too long, another connection takes over, and no message is lost.
func Example() {
	old := make(chan struct{}, 1)
	config := &sctpdtls.Config{
		// Certificates, RootCAs and so on
	}
	told := func(_ *sctpdtls.Conn, _ uint16, what sctpdtls.AuthKeyChange) {
		if what == sctpdtls.AuthKeyNearLimit {
			old <- struct{}{}
		}
	}
	config.Trace = &sctpdtls.Trace{AuthKey: told}
	dial := func(ctx context.Context) (*sctpdtls.Conn, error) {
		return sctpdtls.DialContext(ctx, "sctp", "localhost:38412", config)
	}
	conn, err := dial(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	r := relay.New(conn) // the server has one too, and calls Take
	defer r.Close()
	go func() {
		for range old {
			if err := r.Redial(context.Background(), dial); err != nil {
				log.Print(err)
			}
		}
	}()
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		n, info, err := r.ReadMessage(buf)
		if err != nil {
			break
		}
		r.WriteMessage(buf[:n], info)
	}
}
