package dtlscore

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"testing"
)

// Handshakes of version 1.3, both ends on one processor, beside crypto/tls
// with the same certificates and choices. Where sessions are resumed each
// connection brings a new ticket, which the client takes in.
func BenchmarkHandshake13(b *testing.B) {
	for _, bm := range []struct {
		name   string
		auth   tls.ClientAuthType
		resume bool
	}{
		{"server", tls.NoClientCert, false},
		{"mutual", tls.RequireAndVerifyClientCert, false},
		{"resumed-mutual", tls.RequireAndVerifyClientCert, true},
	} {
		for _, group := range []tls.CurveID{tls.X25519, tls.X25519MLKEM768} {
			b.Run(fmt.Sprintf("%s/%v/dtlscore", bm.name, group), func(b *testing.B) {
				client, server := testClientConfig13(), testServerConfig13(bm.auth)
				if bm.resume {
					client, server = resumingConfigs13(bm.auth)
				}
				client.CurvePreferences = []tls.CurveID{group}
				benchmarkHandshake(b, bm.resume, func() bool {
					return benchmarkConnect13(b, client, server).ConnectionState().DidResume
				})
			})
			b.Run(fmt.Sprintf("%s/%v/crypto-tls", bm.name, group), func(b *testing.B) {
				client, server := benchmarkTLS13Configs(bm.auth, group, bm.resume)
				benchmarkHandshake(b, bm.resume, func() bool {
					c, _ := benchmarkTLS13Connect(b, client, server, bm.resume)
					return c.ConnectionState().DidResume
				})
			})
		}
	}
}

func benchmarkHandshake(b *testing.B, resume bool, connect func() bool) {
	oneProcessor(b)
	if resume {
		connect()
	}
	for b.Loop() {
		if connect() != resume {
			b.Fatal("a handshake of the wrong kind")
		}
	}
}

// benchmarkConnect13 makes a connection, and goes on until nothing is on its way.
func benchmarkConnect13(b *testing.B, client, server *Config) *Conn {
	ends := [2]*Conn{must(Client(client)), must(Server(server))}
	var inbox [2][][]byte
	obey := func(i int) {
		for e := ends[i].NextEvent(); e.Kind != EventNone; e = ends[i].NextEvent() {
			if e.Kind == EventSend {
				inbox[1-i] = append(inbox[1-i], e.Data)
			}
		}
	}
	for i := range ends {
		if err := ends[i].Start(); err != nil {
			b.Fatal(err)
		}
		obey(i)
	}
	for len(inbox[0])+len(inbox[1]) > 0 {
		for i := range ends {
			for len(inbox[i]) > 0 {
				record := inbox[i][0]
				inbox[i] = inbox[i][1:]
				if _, err := ends[i].Receive(record, true); err != nil {
					b.Fatal(err)
				}
				obey(i)
			}
		}
	}
	return ends[0]
}

func benchmarkTLS13Configs(auth tls.ClientAuthType, group tls.CurveID, resume bool) (client, server *tls.Config) {
	client = &tls.Config{
		RootCAs: testCerts().ca.pool(), ServerName: testName, Certificates: []tls.Certificate{testCerts().client},
		MinVersion: tls.VersionTLS13, Time: testNow, CurvePreferences: []tls.CurveID{group},
	}
	server = &tls.Config{
		Certificates: []tls.Certificate{testCerts().ecdsa}, ClientCAs: testCerts().ca.pool(), ClientAuth: auth,
		MinVersion: tls.VersionTLS13, Time: testNow, SessionTicketsDisabled: !resume,
	}
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	return client, server
}

func benchmarkTLS13Connect(b *testing.B, client, server *tls.Config, ticket bool) (c, s *tls.Conn) {
	var ends [2]net.Conn
	ends[0], ends[1] = newMemoryPipe()
	done := make(chan error)
	s = tls.Server(ends[1], server)
	go func() {
		err := s.Handshake()
		if err == nil && ticket {
			_, err = s.Write([]byte{0}) // behind the ticket, which is taken in by a Read
		}
		done <- err
	}()
	c = tls.Client(ends[0], client)
	if err := c.Handshake(); err != nil {
		b.Fatal(err)
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if ticket {
		if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
	}
	return c, s
}

// One record sealed and opened, as in users' applications, beside crypto/tls,
// which moves it through a buffer in memory.
func BenchmarkRecord13(b *testing.B) {
	for _, size := range []int{64, 1024, MaxPlaintext} {
		b.Run(fmt.Sprintf("%d/dtlscore", size), func(b *testing.B) {
			client := testClientConfig13()
			p := newTestPair(b, client, testServerConfig13(tls.NoClientCert))
			p.handshake()
			oneProcessor(b)
			plaintext := make([]byte, size)
			buffer := make([]byte, 0, size+MaxOverhead)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := p.server.conn.Receive(must(p.client.conn.Seal(buffer, plaintext)), false); err != nil {
					b.Fatal(err)
				}
				p.client.conn.app.Load().next.Store(1) // or the keys would be used up
			}
		})
		b.Run(fmt.Sprintf("%d/crypto-tls", size), func(b *testing.B) {
			client, server := benchmarkTLS13Configs(tls.NoClientCert, tls.X25519, false)
			c, s := benchmarkTLS13Connect(b, client, server, false)
			for range 200 { // it begins with small records
				must(c.Write(make([]byte, MaxPlaintext)))
				must(io.ReadFull(s, make([]byte, MaxPlaintext)))
			}
			oneProcessor(b)
			plaintext, buffer := make([]byte, size), make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				must(c.Write(plaintext))
				must(io.ReadFull(s, buffer))
			}
		})
	}
}
