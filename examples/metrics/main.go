// Metrics is an echo server that Prometheus can watch.
//
//	metrics CERTS ADDRESS HTTP-ADDRESS
//
// CERTS is a folder that “sctp-echo certs” made. It answers GET /metrics on HTTP-ADDRESS.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-41f70523/dtls-sctp/examples/internal/files"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var (
	handshakes = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dtls_sctp_handshakes_total",
		Help: "Handshakes, by how they ended."}, []string{"result"})
	alerts = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "dtls_sctp_alerts_total",
		Help: "Fatal alerts, by number and sender."}, []string{"alert", "sender"})
	all = newConnections()
)

func main() {
	prometheus.MustRegister(handshakes, alerts, all)
	http.Handle("/metrics", promhttp.Handler())
	go func() { log.Fatal(http.ListenAndServe(os.Args[3], nil)) }()

	config := files.Config(os.Args[1], "server")
	config.Trace = &sctpdtls.Trace{
		HandshakeDone: func(_ net.Addr, _ sctpdtls.ConnectionState, err error) {
			result := "done"
			if err != nil {
				result = "failed"
			}
			handshakes.WithLabelValues(result).Inc()
		},
		Alert: func(_ *sctpdtls.Conn, a *sctpdtls.AlertError) {
			sender := "peer"
			if a.Local {
				sender = "here"
			}
			alerts.WithLabelValues(fmt.Sprint(uint8(a.Alert)), sender).Inc()
		},
	}
	ln, err := sctpdtls.Listen("sctp", os.Args[2], config)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("listening on", ln.Addr())
	for {
		conn, err := ln.AcceptConn(context.Background())
		if err != nil {
			log.Fatal(err)
		}
		go echo(conn)
	}
}

func echo(conn *sctpdtls.Conn) {
	all.add(conn)
	defer all.remove(conn)
	defer conn.Close()
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for {
		n, info, err := conn.ReadMessage(buf)
		if err != nil {
			return
		}
		if err := conn.WriteMessage(buf[:n], info); err != nil {
			return
		}
	}
}
