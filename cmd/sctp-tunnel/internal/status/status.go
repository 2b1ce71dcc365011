package status

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Running is a service whose status is reported.
type Running struct {
	Name         string
	Role         string
	Listen       string
	Target       string
	Ready        func() error // returns nil if it accepts associations
	Associations func() []*tunnel.Association
	Expires      func() time.Time // when its certificate expires; zero: it has none
}

// A Server serves GET requests for /metrics, /healthz, /readyz and /status.
type Server struct {
	mux      *http.ServeMux
	version  string
	services func() []Running
	started  time.Time
}

// NewServer returns a Server for the services that exist at the time of a request.
func NewServer(m *Metrics, version string, services func() []Running) *Server {
	s := &Server{mux: http.NewServeMux(), version: version, services: services, started: time.Now()}
	m.registry.MustRegister(collector{services})
	s.mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w,
			"ok")
	})
	s.mux.HandleFunc("GET /readyz", s.ready)
	s.mux.HandleFunc("GET /status", s.status)
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// Serve serves requests on l until it is closed.
func (s *Server) Serve(l net.Listener) error {
	return (&http.Server{Handler: s, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: time.Minute, MaxHeaderBytes: 1 << 14}).Serve(l)
}

// ready reports which services accept associations: all, or those that the query parameter
// "service" names.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	status, text := http.StatusOK, ""
	wanted := make(map[string]bool)
	for _, name := range r.URL.Query()["service"] {
		wanted[name] = true
	}
	found := 0
	for _, one := range s.services() {
		if len(wanted) > 0 && !wanted[one.Name] {
			continue
		}
		found++
		why := "ok"
		if err := one.Ready(); err != nil {
			status, why = http.StatusServiceUnavailable, legible.Text(err.Error())
		}
		text += one.Name + ": " + why + "\n"
	}
	if found == 0 || found < len(wanted) {
		status, text = http.StatusNotFound, text+"unknown service\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}

// The contents of the response to /status. Times are in seconds, unless they are dates.
type (
	reportJSON struct {
		Version  string        `json:"version"`
		Started  time.Time     `json:"started"`
		Services []serviceJSON `json:"services"`
	}
	serviceJSON struct {
		Name         string            `json:"name"`
		Role         string            `json:"role"`
		Listen       string            `json:"listen"`
		Target       string            `json:"target,omitempty"`
		Ready        bool              `json:"ready"`
		Why          string            `json:"why,omitempty"` // it is not ready
		Expires      *time.Time        `json:"certificateExpires,omitempty"`
		Associations []associationJSON `json:"associations"`
	}
	associationJSON struct {
		ID         uint64      `json:"id"`
		Began      time.Time   `json:"began"`
		Daemon     string      `json:"daemon"`
		Peer       string      `json:"peer"`
		Identity   string      `json:"identity"`
		Version    string      `json:"version"`
		Suite      string      `json:"suite"`
		OutStreams uint16      `json:"outStreams"`
		InStreams  uint16      `json:"inStreams"`
		Out        carriedJSON `json:"out"`
		In         carriedJSON `json:"in"`
		Epoch      uint64      `json:"epoch"`
		Handshakes int         `json:"handshakes"`
		Repeated   uint64      `json:"retransmittedChunks"`
		Paths      []pathJSON  `json:"paths"`
	}
	carriedJSON struct {
		Messages uint64 `json:"messages"`
		Bytes    uint64 `json:"bytes"`
	}
	pathJSON struct {
		Addr    string  `json:"addr"`
		State   string  `json:"state"`
		Primary bool    `json:"primary"`
		RTT     float64 `json:"rtt"`
		RTO     float64 `json:"rto"`
		Window  int     `json:"window"`
		MTU     int     `json:"mtu"`
	}
)

func (s *Server) status(w http.ResponseWriter, _ *http.Request) {
	report := reportJSON{Version: s.version, Started: s.started, Services: []serviceJSON{}}
	for _, one := range s.services() {
		report.Services = append(report.Services, newService(one))
	}
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.Encode(report) // an error means that the client is gone
}

func newService(r Running) serviceJSON {
	j := serviceJSON{Name: r.Name, Role: r.Role, Listen: r.Listen, Target: r.Target, Ready: true,
		Associations: []associationJSON{}}
	if err := r.Ready(); err != nil {
		j.Ready, j.Why = false, legible.Text(err.Error())
	}
	if end := r.Expires(); !end.IsZero() {
		j.Expires = &end
	}
	for _, a := range r.Associations() {
		j.Associations = append(j.Associations, newAssociation(a))
	}
	return j
}

func newAssociation(a *tunnel.Association) associationJSON {
	j := associationJSON{
		ID: a.ID, Began: a.Began, Daemon: text(a.Daemon), Peer: text(a.Peer),
		Identity: doctor.PeerName(a.State),
		Version:  versionName(a.State.Version), Suite: sctpdtls.CipherSuiteName(a.State.CipherSuite),
		OutStreams: a.State.OutStreams, InStreams: a.State.InStreams,
		Paths: []pathJSON{},
	}
	j.Out.Messages, j.Out.Bytes = a.Carried(tunnel.Out)
	j.In.Messages, j.In.Bytes = a.Carried(tunnel.In)
	if s, err := a.Stats(); err == nil { // otherwise it has just ended
		j.Epoch, j.Handshakes, j.Repeated = s.Epoch, s.Handshakes, s.Retransmitted
	}
	paths, err := a.Paths()
	if err != nil {
		return j
	}
	for _, p := range paths {
		j.Paths = append(j.Paths, pathJSON{p.Addr.String(), p.State.String(), p.Primary, p.RTT.Seconds(),
			p.RTO.Seconds(), p.Window, p.MTU})
	}
	return j
}

func text(a net.Addr) string {
	if a == nil {
		return ""
	}
	return legible.Text(a.String())
}

func versionName(v uint16) string {
	switch v {
	case sctpdtls.VersionDTLS12:
		return "DTLS 1.2"
	case sctpdtls.VersionDTLS13:
		return "DTLS 1.3"
	}
	return fmt.Sprintf("0x%04x", v)
}

// A collector collects values that are not counted but queried at each scrape.
type collector struct{ services func() []Running }

var (
	readyDesc = prometheus.NewDesc(namespace+"_ready", "Whether a service accepts associations.",
		[]string{"service"}, nil)
	expiresDesc = prometheus.NewDesc(namespace+"_certificate_expires_seconds",
		"Expiry of the certificate of a service, in seconds since 1970.", []string{"service"}, nil)
)

func (c collector) Describe(ch chan<- *prometheus.Desc) { ch <- readyDesc; ch <- expiresDesc }

func (c collector) Collect(ch chan<- prometheus.Metric) {
	for _, one := range c.services() {
		ready := 0.0
		if one.Ready() == nil {
			ready = 1
		}
		ch <- prometheus.MustNewConstMetric(readyDesc, prometheus.GaugeValue, ready, one.Name)
		if end := one.Expires(); !end.IsZero() {
			ch <- prometheus.MustNewConstMetric(expiresDesc, prometheus.GaugeValue, float64(end.Unix()),
				one.Name)
		}
	}
}
