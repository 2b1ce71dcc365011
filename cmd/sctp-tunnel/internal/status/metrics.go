// Package status reports to operators what the services of a tunnel do: metrics for Prometheus,
// health and readiness, and the associations with their paths as JSON.
package status

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
)

// Metrics counts what [tunnel.Service] reports to its Observer. One Metrics serves any number of
// services.
type Metrics struct {
	registry *prometheus.Registry

	associations          *prometheus.GaugeVec
	began, ended, refused *prometheus.CounterVec
	messages, bytes       *prometheus.CounterVec
	handshakes            *prometheus.HistogramVec
	keyChanges, missing   *prometheus.CounterVec
	reloads               *prometheus.CounterVec

	mu      sync.RWMutex // guards the following
	carried map[string]*[2]traffic
}

// traffic has the counters of a direction, so that messages need no lookup of labels.
type traffic struct{ messages, bytes prometheus.Counter }

var _ tunnel.Observer = (*Metrics)(nil)

// NewMetrics returns metrics with a registry of their own. version is that of the program.
func NewMetrics(version string) *Metrics {
	m := &Metrics{registry: prometheus.NewRegistry(), carried: make(map[string]*[2]traffic)}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		v := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name,
			Help: help}, labels)
		m.registry.MustRegister(v)
		return v
	}
	m.associations = prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace,
		Name: "associations",
		Help: "Current associations."}, []string{"service"})
	m.handshakes = prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace,
		Name:    "handshake_seconds",
		Help:    "Duration of successful handshakes.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14)}, []string{"service"})
	m.registry.MustRegister(m.associations, m.handshakes)
	m.began = counter("associations_total", "Associations started.", "service")
	m.ended = counter("associations_ended_total", "Associations ended, by reason.",
		"service", "reason")
	m.refused = counter("refused_total", "Associations rejected, by reason.", "service",
		"reason")
	m.messages = counter("messages_total", "Messages forwarded.", "service",
		"direction")
	m.bytes = counter("bytes_total", "Bytes of forwarded messages.", "service", "direction")
	m.keyChanges = counter("key_changes_total", "Key changes of connections, without the first keys.",
		"service")
	m.missing = counter("missing_data_total", "Connections from which an attacker on the path has "+
		"removed messages.", "service")
	m.reloads = counter("reloads_total", "Reloads of files that have changed, and on request, by "+
		"result.", "result")
	for _, result := range []string{"done", "failed"} {
		m.reloads.WithLabelValues(result)
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "build_info",
		Help: "The version of the program; always 1."}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(build, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const namespace = "sctp_tunnel"

// Service creates the metrics of a service, so that they are 0 instead of missing until something
// happens.
func (m *Metrics) Service(name string) { m.traffic(name) }

func (m *Metrics) traffic(service string) *[2]traffic {
	m.mu.RLock()
	t := m.carried[service]
	m.mu.RUnlock()
	if t != nil {
		return t
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if t = m.carried[service]; t != nil {
		return t
	}
	t = new([2]traffic)
	for _, d := range []tunnel.Direction{tunnel.Out, tunnel.In} {
		t[d] = traffic{m.messages.WithLabelValues(service, d.String()), m.bytes.WithLabelValues(service,
			d.String())}
	}
	m.associations.WithLabelValues(service)
	m.began.WithLabelValues(service)
	m.handshakes.WithLabelValues(service)
	m.keyChanges.WithLabelValues(service)
	m.missing.WithLabelValues(service)
	m.carried[service] = t
	return t
}

// Began implements [tunnel.Observer], as do the following methods.
func (m *Metrics) Began(a *tunnel.Association) {
	a.Observed = m.traffic(a.Service) // lest it is looked up for each message
	m.associations.WithLabelValues(a.Service).Inc()
	m.began.WithLabelValues(a.Service).Inc()
}

func (m *Metrics) Ended(a *tunnel.Association, why tunnel.Reason, _ error) {
	m.associations.WithLabelValues(a.Service).Dec()
	m.ended.WithLabelValues(a.Service, string(why)).Inc()
}

func (m *Metrics) Refused(service string, why tunnel.Reason, _ error) {
	m.refused.WithLabelValues(service, string(why)).Inc()
}

func (m *Metrics) Handshake(service string, took time.Duration) {
	m.handshakes.WithLabelValues(service).Observe(took.Seconds())
}

func (m *Metrics) Carried(a *tunnel.Association, d tunnel.Direction, messages, bytes int) {
	t := &a.Observed.(*[2]traffic)[d]
	t.messages.Add(float64(messages))
	t.bytes.Add(float64(bytes))
}

func (m *Metrics) KeysChanged(a *tunnel.Association) {
	m.keyChanges.WithLabelValues(a.Service).Inc()
}

func (m *Metrics) MissingData(service string) { m.missing.WithLabelValues(service).Inc() }

// Reloaded counts that files were reloaded, or could not be.
func (m *Metrics) Reloaded(err error) {
	result := "done"
	if err != nil {
		result = "failed"
	}
	m.reloads.WithLabelValues(result).Inc()
}
