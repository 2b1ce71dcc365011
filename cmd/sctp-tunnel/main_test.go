package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/cmd/internal/testca"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
)

// runCommand runs one command line without a network, and returns the exit status and what was
// printed.
func runCommand(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{stdout: &out, stderr: &errs, machine: func() doctor.Machine {
		return doctor.Machine{System: "Linux", Release: "6.1.0", Root: fstest.MapFS{},
			Socket: func(int) error { return nil }}
	}, loopback: func(context.Context) doctor.Finding { return doctor.Okay("it works") }}
	status = p.run(t.Context(), append([]string{"sctp-tunnel"}, args...))
	return status, out.String(), errs.String()
}

// certsIn writes certificates into a new folder.
func certsIn(t *testing.T) string {
	t.Helper()
	return certsOf(t, time.Now())
}

// certsOf is certsIn for certificates that were made at a time, for a year.
func certsOf(t *testing.T, made time.Time) string {
	t.Helper()
	dir := t.TempDir()
	files, err := testca.Make(testca.Options{Hosts: []string{"hss.example.org"}, Days: 365}, made)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		write(t, filepath.Join(dir, f.Name), string(f.PEM))
	}
	return dir
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestUsage(t *testing.T) {
	dir := certsIn(t)
	cert, key, ca := filepath.Join(dir, "server.pem"), filepath.Join(dir, "server-key.pem"),
		filepath.Join(dir, "ca.pem")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"serve"}, `no command "serve"`},
		{[]string{"server", "-lisen", ":5868"}, "-lisen"},
		{[]string{"server", "x"}, "takes no argument"},
		{[]string{"server"}, "-listen: missing address"},
		{[]string{"client", "-listen", "127.0.0.1:1"}, "-target: missing address"},
		{[]string{"client", "-listen", "10.0.0.1:1", "-target", "x:2", "-cert", cert, "-key", key},
			"-listen: \"10.0.0.1\" is not a loopback address"},
		{[]string{"server", "-listen", ":1", "-target", "127.0.0.1:2", "-cert", cert, "-key", key, "-ca",
			ca}, "-allow: no peer is allowed"},
		{[]string{"server", "-listen", ":1", "-target", "127.0.0.1:2", "-cert", cert, "-key", key, "-ca",
			ca, "-allow", "mme"},
			"-allow: invalid rule \"mme\""},
		{[]string{"server", "-listen", ":1", "-target", "127.0.0.1:2", "-cert", cert, "-key", key, "-ca",
			ca, "-allow", "dns:*"}, "too many hosts"},
		{[]string{"server", "-listen", ":1", "-target", "127.0.0.1:2", "-cert", cert, "-key", ca, "-ca",
			ca, "-allow-all"}, "no private key"},
		{[]string{"run"}, "run takes one FILE"},
		{[]string{"run", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"check", ca}, ca + ":"},
	} {
		status, stdout, stderr := runCommand(t, tt.args...)
		if status != exitUsage || !strings.Contains(stderr, tt.want) || stdout != "" {
			t.Errorf("%q: status %d, %q, want %q", tt.args, status, stderr, tt.want)
		}
		for line := range strings.Lines(stderr) {
			if !strings.HasPrefix(line, "sctp-tunnel: ") {
				t.Errorf("%q: %q", tt.args, line)
			}
		}
	}
}

// aFile writes a configuration of two clients, whose certificates are in dir.
func aFile(t *testing.T, dir, name, more string) {
	t.Helper()
	write(t, name, strings.ReplaceAll(more+`
[[service]]
name = "one"
role = "client"
listen = "127.0.0.1:3868"
target = "hss.example.org:5868"
cert = "DIR/client.pem"
key = "DIR/client-key.pem"
ca = "DIR/ca.pem"

[[service]]
name = "two"
role = "client"
listen = "127.0.0.1:3869"
target = "hss.example.org:5869"
cert = "DIR/client.pem"
key = "DIR/client-key.pem"
ca = "DIR/ca.pem"
`, "DIR", dir))
}

func TestCheck(t *testing.T) {
	dir := certsIn(t)
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, "")
	if status, stdout, stderr := runCommand(t, "check", name); status != exitOK ||
		strings.Count(stdout, "ok  ") != 2 {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
	if status, stdout, _ := runCommand(t, "doctor", name); status != exitOK ||
		!strings.Contains(stdout, "it works") ||
		!strings.Contains(stdout, "two: "+dir) {
		t.Errorf("status %d, %s", status, stdout)
	}
	if err := os.Chmod(filepath.Join(dir, "client-key.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr := runCommand(t, "check", name)
	if status != exitUsage || !strings.Contains(stdout, "FAIL  certificates  one: ") ||
		!strings.Contains(stdout, "chmod o= ") ||
		!strings.Contains(stderr, "2 of the checks failed") {
		t.Errorf("status %d, %s%s", status, stdout, stderr)
	}
	if status, _, _ := runCommand(t, "doctor", name); status != exitFailed {
		t.Errorf("status %d", status)
	}
	aFile(t, dir, name, "user = 'no such user'")
	if status, stdout, _ := runCommand(t, "check", name); status != exitUsage ||
		!strings.Contains(stdout, "FAIL  user          unknown user") {
		t.Errorf("status %d, %s", status, stdout)
	}
	aFile(t, dir, name, "colour = 1\nsize = 2")
	status, _, stderr = runCommand(t, "check", name)
	if status != exitUsage || !strings.Contains(stderr, name+":1: ") || !strings.Contains(stderr,
		name+":2: ") {
		t.Errorf("status %d, %s", status, stderr)
	}
}

// The reference has no fault, and each key that there is.
func TestReference(t *testing.T) {
	status, stdout, _ := runCommand(t, "config")
	if status != exitOK || stdout != reference {
		t.Fatalf("status %d", status)
	}
	if _, err := config.Parse("reference.toml", []byte(reference)); err != nil {
		t.Error(err)
	}
	for _, v := range []any{config.Process{}, config.Settings{}, config.Allow{}} {
		for _, field := range reflect.VisibleFields(reflect.TypeOf(v)) {
			key := field.Tag.Get("toml")
			if key == "-" || key == "allow" {
				continue
			}
			if !strings.Contains(reference, "\n"+key+" = ") && !strings.Contains(reference,
				"\n# "+key+" = ") {
				t.Errorf("%s is missing", key)
			}
		}
	}
	// Lines that are comments now are keys with good values too, in one of the services.
	for line := range strings.Lines(reference) {
		key, _, ok := strings.Cut(strings.TrimPrefix(line, "# "), " = ")
		if !ok || strings.HasPrefix(line, key) || strings.Contains(key, " ") {
			continue
		}
		text := strings.Replace(reference, line, strings.TrimPrefix(line, "# "), 1)
		_, err := config.Parse("reference.toml", []byte(text))
		var faults config.Faults
		if errors.As(err, &faults) && (strings.Contains(err.Error(), "no key") || key != "source" &&
			key != "spki" && key != "redirect" && key != "psk") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// The manual page has every command, flag and key.
func TestManPage(t *testing.T) {
	status, page, stderr := runCommand(t, "man")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	for _, want := range []string{"\n.SS sctp-tunnel server ", "\n.SS sctp-tunnel client ",
		"\n.SS sctp-tunnel run ", "\n.SS sctp-tunnel check ",
		"\n.SS sctp-tunnel doctor ", "\n.B \\-\\-peer\\-source\n", "Exit status:", "SIGHUP",
		"\n# max\\-handshakes\\-per\\-host = 256\n"} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(page, "<no value>") || strings.Contains(page, ".SS sctp-tunnel man") ||
		strings.Contains(page, "sctp-echo") {
		t.Error("a hole, the hidden command, or another one")
	}
}

// A tunnelTest is a process with services that carry nothing.
type tunnelTest struct {
	t      *testing.T
	hangup chan os.Signal
	stop   context.CancelFunc
	status chan int
	log    *logLines

	mu      sync.Mutex
	running map[string]*tunnel.Service
	begins  chan bool        // for each that begins
	fail    map[string]error // of services that fail when they begin
	drained chan struct{}    // if not nil, services do not end before it is closed
}

// logLines are what was logged, in JSON, one line at each receive.
type logLines struct{ lines chan string }

func (l *logLines) Write(b []byte) (int, error) {
	l.lines <- string(b)
	return len(b), nil
}

func (tt *tunnelTest) serve(s *tunnel.Service, ctx context.Context) error {
	tt.mu.Lock()
	err := tt.fail[s.Name]
	if err == nil {
		tt.running[s.Name] = s
		tt.begins <- true
	}
	tt.mu.Unlock()
	if err != nil {
		return err
	}
	<-ctx.Done()
	tt.mu.Lock()
	drained := tt.drained
	tt.mu.Unlock()
	if drained != nil {
		<-drained
	}
	tt.mu.Lock()
	defer tt.mu.Unlock()
	if tt.running[s.Name] == s {
		delete(tt.running, s.Name)
	}
	return nil
}

// begin runs the services of a file.
func begin(t *testing.T, fail map[string]error, args ...string) *tunnelTest {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	tt := &tunnelTest{t: t, hangup: make(chan os.Signal), stop: stop, status: make(chan int, 1),
		log:     &logLines{make(chan string, 100)},
		running: make(map[string]*tunnel.Service), begins: make(chan bool, 100), fail: fail}
	p := &program{stdout: io.Discard, stderr: tt.log, hangup: tt.hangup, serve: tt.serve}
	go func() { tt.status <- p.run(ctx, append([]string{"sctp-tunnel"}, args...)) }()
	return tt
}

// wait returns the next line of the log that has a message, or fails the test.
func (tt *tunnelTest) wait(message string) map[string]any {
	tt.t.Helper()
	var seen []string
	for {
		select {
		case line := <-tt.log.lines:
			var m map[string]any
			if json.Unmarshal([]byte(line), &m) == nil && m["msg"] == message {
				return m
			}
			seen = append(seen, line)
		case <-time.After(20 * time.Second):
			tt.t.Fatalf("no %q in the log:\n%s", message, strings.Join(seen, ""))
		}
	}
}

// begun waits for n services to begin.
func (tt *tunnelTest) begun(n int) {
	for range n {
		<-tt.begins
	}
}

func (tt *tunnelTest) service(name string) *tunnel.Service {
	tt.mu.Lock()
	defer tt.mu.Unlock()
	return tt.running[name]
}

func (tt *tunnelTest) end() {
	tt.t.Helper()
	tt.stop()
	if status := <-tt.status; status != exitOK {
		tt.t.Errorf("status %d", status)
	}
}

func cert(t *testing.T, s *tunnel.Service) string {
	t.Helper()
	return string(s.TLS().Certificates[0].Certificate[0])
}

const process = "log-format = 'json'\nsandbox = false\n"

// SIGHUP has the configuration and the certificates read again. What is broken changes nothing.
func TestReload(t *testing.T) {
	dir, other := certsIn(t), certsIn(t)
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process)
	tt := begin(t, nil, "run", name)
	tt.wait("started")
	tt.begun(2)
	one, two := tt.service("one"), tt.service("two")
	before := cert(t, one)

	t.Run("broken", func(t *testing.T) {
		write(t, name, "[[service]]\nnam = 'x'\n")
		tt.hangup <- syscall.SIGHUP
		m := tt.wait("reload failed: the present configuration stays in use")
		if !strings.Contains(m["err"].(string), name+":2: ") {
			t.Error(m)
		}
		if tt.service("one") != one || tt.service("two") != two || cert(t, one) != before {
			t.Error("something has changed")
		}
	})
	t.Run("broken certificate", func(t *testing.T) {
		aFile(t, dir, name, process)
		write(t, filepath.Join(dir, "client.pem"), "x")
		tt.hangup <- syscall.SIGHUP
		tt.wait("reload failed: the present configuration stays in use")
		if cert(t, one) != before {
			t.Error("something has changed")
		}
	})
	t.Run("certificates", func(t *testing.T) {
		aFile(t, other, name, process)
		tt.hangup <- syscall.SIGHUP
		tt.wait("reloaded")
		if tt.service("one") != one || tt.service("two") != two {
			t.Error("services have begun again, and their associations are gone")
		}
		if cert(t, one) == before || cert(t, two) == before {
			t.Error("the certificate has not changed")
		}
	})
	now := cert(t, one)
	for what, from := range map[string]time.Time{"expired certificate": time.Now().AddDate(-2, 0, 0),
		"certificate of the future": time.Now().AddDate(0, 0, 3)} {
		t.Run(what, func(t *testing.T) {
			aFile(t, certsOf(t, from), name, process)
			tt.hangup <- syscall.SIGHUP
			m := tt.wait("reload failed: the present configuration stays in use")
			if !strings.Contains(m["err"].(string), "is only valid from") || cert(t, one) != now {
				t.Error(m)
			}
			tt.wait("reload failed: the present configuration stays in use") // of the other service
		})
	}
	t.Run("services", func(t *testing.T) {
		aFile(t, other, name, process)
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		write(t, name, strings.NewReplacer(`"two"`, `"three"`, "5868", "5870").Replace(string(text)))
		tt.hangup <- syscall.SIGHUP
		tt.wait("reloaded")
		tt.begun(2)
		if s := tt.service("one"); s == one || s.Target != "hss.example.org:5870" {
			t.Error("the target has not changed")
		}
		if tt.service("two") != nil {
			t.Error("the service that is not wanted any more goes on")
		}
	})
	tt.end()
	if len(tt.running) != 0 {
		t.Errorf("%d services are left", len(tt.running))
	}
}

// The service of the flags has its certificates read again by SIGHUP.
func TestReloadFlags(t *testing.T) {
	dir, other := certsIn(t), certsIn(t)
	tt := begin(t, nil, "client", "-listen", "127.0.0.1:1", "-target", "x:2", "-cert",
		filepath.Join(dir, "client.pem"),
		"-key", filepath.Join(dir, "client-key.pem"), "-ca", filepath.Join(dir, "ca.pem"), "-log-format",
		"json", "-no-sandbox")
	tt.wait("started")
	tt.hangup <- syscall.SIGHUP
	tt.wait("no change")
	tt.begun(1)
	before := cert(t, tt.service("client"))
	for _, f := range []string{"client.pem", "client-key.pem"} {
		text, err := os.ReadFile(filepath.Join(other, f))
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, f), string(text))
	}
	tt.hangup <- syscall.SIGHUP
	tt.wait("reloaded")
	if cert(t, tt.service("client")) == before {
		t.Error("the certificate has not changed")
	}
	write(t, filepath.Join(dir, "client.pem"), "")
	tt.hangup <- syscall.SIGHUP
	tt.wait("reload failed: the present certificates stay in use")
	tt.end()
}

// The status port answers while services run.
func TestStatusPort(t *testing.T) {
	dir := certsIn(t)
	name, path := filepath.Join(dir, "f.toml"), filepath.Join(dir, "s")
	aFile(t, dir, name, process+"status = 'unix:"+path+"'\n")
	tt := begin(t, nil, "run", name)
	tt.wait("started")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}}}
	for _, where := range []string{"/metrics", "/healthz", "/status"} {
		res, err := client.Get("http://tunnel" + where)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK || where != "/healthz" &&
			!strings.Contains(string(text), `"two"`) {
			t.Errorf("%s: %d, %v\n%s", where, res.StatusCode, err, text)
		}
	}
	tt.end()
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

// A service begins with a certificate that has expired, which may be replaced, and says so.
func TestExpiredAtBegin(t *testing.T) {
	dir := certsOf(t, time.Now().AddDate(-2, 0, 0))
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process)
	tt := begin(t, nil, "run", name)
	line := tt.wait("handshakes fail until a file is replaced")
	if line["service"] != "one" || !strings.HasPrefix(
		line["err"].(string), filepath.Join(dir, "client.pem")+" is only valid from ") {
		t.Errorf("%v", line)
	}
	tt.wait("started")
	tt.end()
}

// check finds a key that every user can read also where something else is wrong, and says nothing
// twice.
func TestCheckFindsAll(t *testing.T) {
	dir := certsOf(t, time.Now().AddDate(-2, 0, 0))
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, "")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	one, _, _ := strings.Cut(string(text), "\n[[service]]\nname = \"two\"")
	write(t, name, one+"crl = [\"none.crl\"]\n")
	if err := os.Chmod(filepath.Join(dir, "client-key.pem"), 0o604); err != nil {
		t.Fatal(err)
	}
	_, stdout, _ := runCommand(t, "check", name)
	for _, want := range []string{"client.pem has expired", "every user can read", "open none.crl"} {
		if strings.Count(stdout, want) != 1 {
			t.Errorf("%q is not there once in\n%s", want, stdout)
		}
	}
}

// A service that cannot begin is the failure of all.
func TestBeginFails(t *testing.T) {
	dir := certsIn(t)
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process+`[[service]]
name = "zero"
role = "server"
listen = ":5868"
target = "127.0.0.1:3870"
cert = "DIR/server.pem"
key = "DIR/server-key.pem"
ca = "DIR/ca.pem"
allow-all = true
`)
	tt := begin(t, map[string]error{"zero": errors.New("the port is in use")}, "run", name)
	if status := <-tt.status; status != exitFailed {
		t.Errorf("status %d", status)
	}
	close(tt.log.lines)
	var last string
	for last = range tt.log.lines {
	}
	if last != "sctp-tunnel: service \"zero\": the port is in use\n" {
		t.Errorf("the last line is %q", last)
	}
	if len(tt.running) != 0 {
		t.Errorf("%d services are left", len(tt.running))
	}
}
