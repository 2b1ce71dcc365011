package dtlscore_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// An end is the smallest possible driver. Its transport is a list in memory, in which everything
// arrives immediately and in order: it never waits for acknowledgements, and has no keys to
// install.
type end struct {
	conn  *dtlscore.Conn
	inbox [][]byte
	peer  *end
	open  bool
}

func (e *end) obey() {
	for {
		event := e.conn.NextEvent()
		switch event.Kind {
		case dtlscore.EventNone:
			if err := e.conn.Err(); err != nil {
				log.Fatal(err)
			}
			return
		case dtlscore.EventSend:
			e.peer.inbox = append(e.peer.inbox, event.Data)
		case dtlscore.EventReadPending:
			for len(e.inbox) > 0 {
				e.receive()
			}
			if err := e.conn.PendingRead(); err != nil {
				log.Fatal(err)
			}
		case dtlscore.EventHandshakeComplete:
			e.open = true
		}
	}
}

func (e *end) receive() (data []byte) {
	record := e.inbox[0]
	e.inbox = e.inbox[1:]
	data, err := e.conn.Receive(record, true, dtlscore.Tag{})
	if err != nil {
		log.Fatal(err)
	}
	return data
}

// A client and a server in one program, with a pre-shared key.
func ExampleConn() {
	key := &dtlscore.PSK{Identity: []byte("me"), Key: bytes.Repeat([]byte{1}, 32)}
	clientConn, err := dtlscore.Client(&dtlscore.Config{
		MaxVersion: dtlscore.VersionDTLS12,
		GetPSK:     func(hint []byte) (*dtlscore.PSK, error) { return key, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	serverConn, err := dtlscore.Server(&dtlscore.Config{
		MaxVersion: dtlscore.VersionDTLS12,
		LookupPSK:  func(identity []byte) (*dtlscore.PSK, error) { return key, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	client, server := &end{conn: clientConn}, &end{conn: serverConn}
	client.peer, server.peer = server, client
	for _, e := range []*end{server, client} {
		if err := e.conn.Start(); err != nil {
			log.Fatal(err)
		}
		e.obey()
	}
	for !client.open || !server.open {
		for _, e := range []*end{server, client} {
			for len(e.inbox) > 0 {
				e.receive()
				e.obey()
			}
		}
	}

	record, err := client.conn.Seal(nil, []byte("hello"))
	if err != nil {
		log.Fatal(err)
	}
	server.inbox = append(server.inbox, record)
	state := server.conn.ConnectionState()
	fmt.Printf("%s says %s, with forward secrecy: %v\n", state.PSKIdentity, server.receive(),
		state.CurveID != 0)
	// Output: me says hello, with forward secrecy: true
}
