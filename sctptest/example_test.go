package sctptest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctptest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// echo is the program to be tested: it answers each message on the stream that it came on.
func echo(conn *sctpdtls.Conn) error {
	defer conn.Close()
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		n, info, err := conn.ReadMessage(buf)
		if err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		if err := conn.WriteMessage(buf[:n], sctpdtls.MessageInfo{Stream: info.Stream}); err != nil {
			return err
		}
	}
}

// configs returns configurations with a pre-shared key, which saves the example certificates.
func configs() (client, server *sctpdtls.Config) {
	psk := &sctpdtls.PSK{Identity: []byte("client"), Key: make([]byte, 32)}
	client = &sctpdtls.Config{GetPSK: func([]byte) (*sctpdtls.PSK, error) { return psk, nil }}
	server = &sctpdtls.Config{LookupPSK: func([]byte) (*sctpdtls.PSK, error) { return psk, nil }}
	return client, server
}

// A server and a client on two hosts of a network.
func Example() {
	network := sctptest.NewNetwork(1)
	defer network.Close()
	client, server := network.Host("192.0.2.1"), network.Host("192.0.2.2")
	clientConfig, serverConfig := configs()

	// The server: NewListener in place of sctpdtls.Listen.
	inner, err := server.Listen(":5868", &serverConfig.SCTP)
	if err != nil {
		log.Fatal(err)
	}
	listener, err := sctpdtls.NewListener(inner, serverConfig)
	if err != nil {
		log.Fatal(err)
	}
	defer listener.Close()
	done := make(chan error)
	go func() {
		conn, err := listener.AcceptConn(context.Background())
		if err == nil {
			err = echo(conn)
		}
		done <- err
	}()

	// The client: Client in place of sctpdtls.Dial.
	assoc, err := client.Dial(context.Background(), "192.0.2.2:5868", &clientConfig.SCTP)
	if err != nil {
		log.Fatal(err)
	}
	conn, err := sctpdtls.Client(assoc, clientConfig)
	if err != nil {
		log.Fatal(err)
	}
	err = conn.WriteMessage([]byte("hello"), sctpdtls.MessageInfo{Stream: 3})
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, sctpdtls.MaxMessageSize)
	n, info, err := conn.ReadMessage(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s on stream %d\n", buf[:n], info.Stream)
	fmt.Println(conn.Close(), <-done)
	// Output:
	// hello on stream 3
	// <nil> <nil>
}

// What a test does to the network: with the false clock of testing/synctest it takes no time to
// wait until SCTP has noticed.
func ExampleHost_Unplug() {
	test := func(t *testing.T) {
		network := sctptest.NewNetwork(1)
		defer network.Close()
		network.SetLink(sctptest.Link{Delay: 20 * time.Millisecond, Loss: 0.01})
		client := network.Host("10.0.0.1", "10.0.1.1")
		server := network.Host("10.0.0.2", "10.0.1.2")
		l, err := server.Listen(":5868", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := client.Dial(t.Context(), "10.0.0.2:5868", nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)   // until the second path is verified
		server.Unplug("10.0.0.2") // the first one fails
		if err := a.Send([]byte("by the other path"), stream.Info{}); err != nil {
			t.Fatal(err)
		}
		m, _, err := stream.NewReader(b).Next(true)
		t.Logf("%s, %v", m.Data, err)
	}
	_ = func(t *testing.T) { synctest.Test(t, test) }
}
