package sctpdtls_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Both ends know a key, and need no certificates.
func ExamplePSK() {
	key := &sctpdtls.PSK{Identity: []byte("enb-17"), Key: []byte("from a random source, and secret")}
	ln, err := sctpdtls.Listen("sctp", "localhost:0", &sctpdtls.Config{
		LookupPSK: func(identity []byte) (*sctpdtls.PSK, error) {
			if string(identity) != string(key.Identity) {
				return nil, nil // not known here
			}
			return key, nil
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go func() {
		conn, err := sctpdtls.Dial("sctp", ln.Addr().String(), &sctpdtls.Config{
			GetPSK: func(hint []byte) (*sctpdtls.PSK, error) { return key, nil },
		})
		if err != nil {
			log.Fatal(err)
		}
		conn.Close()
	}()
	conn, err := ln.AcceptConn(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("the client has the key of %s\n", conn.ConnectionState().PSKIdentity)
	conn.Close()
}

// Requests of several subscribers, each on a stream of its own: none waits for another's lost
// packets.
func ExampleConn_Stream() {
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", "localhost:5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		PPID:         sctpdtls.PPIDDiameter, // of what Write sends
		SCTP:         sctpdtls.SCTPOptions{OutStreams: 16},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for id := uint16(1); id <= 3; id++ {
		s := conn.Stream(id) // a net.Conn
		fmt.Fprintf(s, "request %d", id)
		buf := make([]byte, 100)
		n, err := s.Read(buf)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("stream %d: %s\n", s.ID(), buf[:n])
	}
}

// The file makes captures readable, in Wireshark for example. It ends all security.
func ExampleConfig_keyLogWriter() {
	file, err := os.OpenFile("secrets", os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", "localhost:5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		KeyLogWriter: file,
	})
	if err != nil {
		log.Fatal(err)
	}
	conn.Close()
	secrets, err := os.ReadFile("secrets")
	fmt.Println("secrets logged:", len(secrets) > 0, err)
}

// A server takes a renewed certificate without a restart: the next handshake has it.
func ExampleConfig_getCertificate() {
	var current atomic.Pointer[tls.Certificate]
	load := func() {
		cert, err := tls.LoadX509KeyPair("server.pem", "server-key.pem")
		if err != nil {
			log.Print(err) // and go on with the old one
			return
		}
		current.Store(&cert)
	}
	load() // and again when the file has changed, or at a signal
	_, roots := credentials("server.pem", "server-key.pem")
	ln, err := sctpdtls.Listen("sctp", "localhost:0", &sctpdtls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			return current.Load(), nil
		},
		ClientCAs:  roots,
		ClientAuth: tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	fmt.Println("certificate:", current.Load().Leaf.Subject)
}

// New keys for DTLS 1.3 in both directions, in use as soon as the peer has answered. RekeyAfter
// makes them by itself.
func ExampleConn_KeyUpdate() {
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", "localhost:5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		RekeyAfter:   sctpdtls.RekeyPolicy{Age: time.Hour, Bytes: 1 << 30},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	before, _ := conn.Stats()
	if err := conn.KeyUpdate(context.Background(), sctpdtls.UpdateRequested); err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Write([]byte("go on")); err != nil {
		log.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 100)); err != nil {
		log.Fatal(err)
	}
	after, _ := conn.Stats()
	fmt.Println("epochs of keys since:", after.Epoch-before.Epoch)
}

func ExampleFromTLS() {
	cert, roots := credentials("server.pem", "server-key.pem")
	tlsConfig := &tls.Config{ // as it is used over TCP
		Certificates: []tls.Certificate{cert},
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
	config, err := sctpdtls.FromTLS(tlsConfig)
	if err != nil {
		log.Fatal(err) // names the field that means nothing here
	}
	ln, err := sctpdtls.Listen("sctp", ":5868", config) // was tls.Listen("tcp", ":5868", tlsConfig)
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	conn, err := ln.Accept()
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	fmt.Println("from", conn.(*sctpdtls.Conn).ConnectionState().PeerCertificates[0].Subject)
}
