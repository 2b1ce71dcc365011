package main

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// connections collects what the connections have counted themselves: nothing is added to the path
// of a message.
type connections struct {
	mu    sync.Mutex // guards the following
	open  map[*sctpdtls.Conn]bool
	ended totals // of those that are gone, for counters never go back
}

// totals are sums over connections.
type totals struct{ messagesIn, messagesOut, bytesIn, bytesOut, retransmitted float64 }

func newConnections() *connections { return &connections{open: make(map[*sctpdtls.Conn]bool)} }

func (c *connections) add(conn *sctpdtls.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open[conn] = true
}

func (c *connections) remove(conn *sctpdtls.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
	c.ended.count(conn)
}

// count adds a connection. After its end only the kernel's counts are missing.
func (t *totals) count(conn *sctpdtls.Conn) {
	s, _ := conn.Stats()
	t.messagesIn += float64(s.MessagesReceived)
	t.messagesOut += float64(s.MessagesSent)
	t.bytesIn += float64(s.BytesReceived)
	t.bytesOut += float64(s.BytesSent)
	t.retransmitted += float64(s.Retransmitted)
}

var (
	open     = prometheus.NewDesc("dtls_sctp_connections", "Connections that are open.", nil, nil)
	messages = prometheus.NewDesc("dtls_sctp_messages_total", "Application messages.",
		[]string{"direction"}, nil)
	bytes = prometheus.NewDesc("dtls_sctp_bytes_total", "Bytes of application messages.",
		[]string{"direction"}, nil)
	retransmitted = prometheus.NewDesc("dtls_sctp_retransmitted_chunks",
		"DATA chunks that open connections have sent again.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c *connections) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(c, ch) }

// Collect implements prometheus.Collector.
func (c *connections) Collect(ch chan<- prometheus.Metric) {
	c.mu.Lock()
	sum, n := c.ended, len(c.open)
	sum.retransmitted = 0
	for conn := range c.open {
		sum.count(conn)
	}
	c.mu.Unlock()
	send := func(desc *prometheus.Desc, kind prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(desc, kind, v, labels...)
	}
	send(open, prometheus.GaugeValue, float64(n))
	send(messages, prometheus.CounterValue, sum.messagesIn, "received")
	send(messages, prometheus.CounterValue, sum.messagesOut, "sent")
	send(bytes, prometheus.CounterValue, sum.bytesIn, "received")
	send(bytes, prometheus.CounterValue, sum.bytesOut, "sent")
	send(retransmitted, prometheus.GaugeValue, sum.retransmitted)
}
