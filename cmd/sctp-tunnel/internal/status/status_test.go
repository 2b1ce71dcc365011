package status

import (
	"bytes"
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A pair of services: one is ready and has an association, the other is neither.
func twoServices() []Running {
	a := &tunnel.Association{ID: 7, Service: "hss", Began: time.Unix(1, 0),
		Daemon: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3868}}
	a.State.Version, a.State.CipherSuite = sctpdtls.VersionDTLS12, 0xc02b
	a.State.OutStreams, a.State.InStreams = 30, 10
	a.State.PeerCertificates = []*x509.Certificate{{Subject: pkix.Name{CommonName: "mme"}}}
	return []Running{
		{Name: "hss", Role: "server", Listen: ":5868", Target: "127.0.0.1:3868",
			Ready:        func() error { return nil },
			Associations: func() []*tunnel.Association { return []*tunnel.Association{a} },
			Expires:      func() time.Time { return time.Unix(2000000000, 0) }},
		{Name: "mme", Role: "client", Listen: "127.0.0.1:3868", Target: "hss:5868",
			Ready:        func() error { return errors.New("the target cannot be reached") },
			Associations: func() []*tunnel.Association { return nil },
			Expires:      func() time.Time { return time.Time{} }},
	}
}

func get(t *testing.T, h http.Handler, method, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
	return w.Code, w.Body.String()
}

// What services tell is what a scrape shows.
func TestMetrics(t *testing.T) {
	m := NewMetrics("v1")
	s := NewServer(m, "v1", twoServices)
	m.Service("hss")
	m.Service("mme")
	a := &tunnel.Association{Service: "hss"}
	m.Began(a)
	m.Began(a)
	m.Ended(a, tunnel.PeerClose, nil)
	m.Refused("hss", tunnel.NotAllowed, errors.New("x"))
	m.Refused("hss", tunnel.NotAllowed, errors.New("x"))
	m.Refused("hss", tunnel.Full, errors.New("x"))
	m.Handshake("hss", 3*time.Millisecond)
	m.Carried(a, tunnel.Out, 2, 300)
	m.Carried(a, tunnel.Out, 1, 100)
	m.Carried(a, tunnel.In, 5, 50)
	m.KeysChanged(a)
	m.MissingData("hss")
	m.Reloaded(nil)
	m.Reloaded(errors.New("x"))
	m.Reloaded(errors.New("x"))
	status, body := get(t, s, "GET", "/metrics")
	if status != http.StatusOK {
		t.Fatal(status)
	}
	lines := make(map[string]bool)
	for line := range strings.Lines(body) {
		lines[strings.TrimSpace(line)] = true
	}
	for _, want := range []string{
		`sctp_tunnel_associations{service="hss"} 1`,
		`sctp_tunnel_associations{service="mme"} 0`,
		`sctp_tunnel_associations_total{service="hss"} 2`,
		`sctp_tunnel_associations_ended_total{reason="peer-close",service="hss"} 1`,
		`sctp_tunnel_refused_total{reason="not-allowed",service="hss"} 2`,
		`sctp_tunnel_refused_total{reason="full",service="hss"} 1`,
		`sctp_tunnel_messages_total{direction="out",service="hss"} 3`,
		`sctp_tunnel_bytes_total{direction="out",service="hss"} 400`,
		`sctp_tunnel_messages_total{direction="in",service="hss"} 5`,
		`sctp_tunnel_bytes_total{direction="in",service="hss"} 50`,
		`sctp_tunnel_messages_total{direction="in",service="mme"} 0`,
		`sctp_tunnel_handshake_seconds_bucket{service="hss",le="0.002"} 0`,
		`sctp_tunnel_handshake_seconds_bucket{service="hss",le="0.004"} 1`,
		`sctp_tunnel_handshake_seconds_count{service="hss"} 1`,
		`sctp_tunnel_key_changes_total{service="hss"} 1`,
		`sctp_tunnel_missing_data_total{service="hss"} 1`,
		`sctp_tunnel_missing_data_total{service="mme"} 0`,
		`sctp_tunnel_reloads_total{result="done"} 1`,
		`sctp_tunnel_reloads_total{result="failed"} 2`,
		`sctp_tunnel_ready{service="hss"} 1`,
		`sctp_tunnel_ready{service="mme"} 0`,
		`sctp_tunnel_certificate_expires_seconds{service="hss"} 2e+09`,
		`sctp_tunnel_build_info{version="v1"} 1`,
	} {
		if !lines[want] {
			t.Errorf("%s is missing", want)
		}
	}
	if strings.Contains(body, `certificate_expires_seconds{service="mme"}`) {
		t.Error("a certificate that is not there expires")
	}
	if t.Failed() {
		t.Log(body)
	}
}

func TestReady(t *testing.T) {
	for _, tt := range []struct {
		path   string
		status int
		want   string
	}{
		{"/readyz", 503, "hss: ok\nmme: the target cannot be reached\n"},
		{"/readyz?service=hss", 200, "hss: ok\n"},
		{"/readyz?service=mme", 503, "mme: the target cannot be reached\n"},
		{"/readyz?service=hss&service=mme", 503, "hss: ok\nmme: the target cannot be reached\n"},
		{"/readyz?service=x", 404, "unknown service\n"},
		{"/readyz?service=hss&service=x", 404, "hss: ok\nunknown service\n"},
		{"/healthz", 200, "ok\n"},
		{"/", 404, "404 page not found\n"},
		{"/debug/pprof/", 404, "404 page not found\n"},
	} {
		if status, body := get(t, NewServer(NewMetrics("v1"), "v1", twoServices), "GET",
			tt.path); status != tt.status || body != tt.want {
			t.Errorf("%s: %d, %q, want %d, %q", tt.path, status, body, tt.status, tt.want)
		}
	}
	if status, _ := get(t, NewServer(NewMetrics("v1"), "v1", twoServices), "POST",
		"/status"); status != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", status)
	}
}

func TestStatus(t *testing.T) {
	_, body := get(t, NewServer(NewMetrics("v1"), "v1", twoServices), "GET", "/status")
	d := json.NewDecoder(strings.NewReader(body))
	d.DisallowUnknownFields()
	var r reportJSON
	if err := d.Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.Version != "v1" || len(r.Services) != 2 || len(r.Services[0].Associations) != 1 {
		t.Fatalf("%s", body)
	}
	hss, mme := r.Services[0], r.Services[1]
	if !hss.Ready || hss.Why != "" || hss.Expires == nil || hss.Target != "127.0.0.1:3868" {
		t.Errorf("%+v", hss)
	}
	if mme.Ready || mme.Why != "the target cannot be reached" || mme.Expires != nil ||
		mme.Associations == nil {
		t.Errorf("%+v", mme)
	}
	a := hss.Associations[0]
	if a.ID != 7 || a.Daemon != "127.0.0.1:3868" || !strings.HasPrefix(a.Identity, "CN=mme") ||
		a.Version != "DTLS 1.2" ||
		a.Suite != "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" || a.OutStreams != 30 || a.InStreams != 10 ||
		a.Paths == nil {
		t.Errorf("%+v", a)
	}
}

// A socket in the file system is for this user and its group, and takes the place of one that was
// left behind.
func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	left, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	left.SetUnlinkOnClose(false)
	if l, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("%v, %v", l, err)
	}
	left.Close()
	file, link := path+"-file", path+"-link"
	if err := errors.Join(os.WriteFile(file, []byte("x"), 0o600), os.Symlink(path, link)); err != nil {
		t.Fatal(err)
	}
	for _, other := range []string{file, link, filepath.Dir(path)} {
		if l, err := Listen("unix:" + other); err == nil || !strings.Contains(err.Error(),
			"not a socket") {
			t.Errorf("%s: %v, %v", other, l, err)
		}
		if _, err := os.Lstat(other); err != nil {
			t.Errorf("it was deleted: %v", err)
		}
	}
	l, err := Listen("unix:" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	s := NewServer(NewMetrics("v1"), "v1", twoServices)
	done := make(chan error)
	go func() { done <- s.Serve(l) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
	res, err := client.Get("http://tunnel/healthz")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil || !bytes.Equal(body, []byte("ok\n")) {
		t.Errorf("%q, %v", body, err)
	}
	l.Close()
	if err := <-done; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

func TestListenTCP(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := Listen("unix:/nowhere/at/all"); err == nil {
		t.Error("a socket in a folder that is not there")
	}
}
