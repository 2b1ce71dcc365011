package sctpdtls_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// credentials are the files that “sctp-echo certs DIR” makes.
func credentials(cert, key string) (tls.Certificate, *x509.CertPool) {
	c, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile("ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return c, roots
}

func ExampleListen() {
	cert, roots := credentials("server.pem", "server-key.pem")
	ln, err := sctpdtls.Listen("sctp", ":5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	})
	if err != nil {
		log.Fatal(err)
	}
	for {
		conn, err := ln.AcceptConn(context.Background()) // authenticated: its handshake is done
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, sctpdtls.MaxMessageSize)
			for {
				n, info, err := conn.ReadMessage(buf)
				if err != nil {
					return // io.EOF after the peer's close_notify
				}
				conn.WriteMessage(buf[:n], info) // on the same stream, with the same PPID
			}
		}()
	}
}

func ExampleDial() {
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", "localhost:5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
	})
	if err != nil {
		log.Fatal(err) // says what to do about it
	}
	defer conn.Close()
	err = conn.WriteMessage([]byte("ping"),
		sctpdtls.MessageInfo{Stream: 3, PPID: sctpdtls.PPIDDiameter})
	if err != nil {
		log.Fatal(err)
	}
	buf := make([]byte, sctpdtls.MaxMessageSize)
	n, info, err := conn.ReadMessage(buf)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("stream %d: %s\n", info.Stream, buf[:n])
}

// One goroutine for each stream that the peer uses, as with connections.
func ExampleConn_AcceptStream() {
	cert, roots := credentials("client.pem", "client-key.pem")
	conn, err := sctpdtls.Dial("sctp", "localhost:5868", &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	for id := range uint16(3) {
		// The peer answers on the same stream.
		if err := conn.WriteMessage([]byte("ping"), sctpdtls.MessageInfo{Stream: id}); err != nil {
			log.Fatal(err)
		}
	}
	var streams sync.WaitGroup
	for range 3 {
		s, err := conn.AcceptStream(context.Background()) // the next on which something has come
		if err != nil {
			log.Fatal(err) // io.EOF after the peer's close_notify
		}
		streams.Go(func() {
			buf := make([]byte, 100)
			n, err := s.Read(buf) // and so on, until the connection ends
			fmt.Printf("stream %d: %s %v\n", s.ID(), buf[:n], err)
		})
	}
	streams.Wait()
}
