package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// whole has every key there is.
const whole = `# a comment
status = "127.0.0.1:9868"
log-format = "json"
log-level = "warn"
user = "sctp-tunnel"
sandbox = true

[[service]]
name = "hss"
role = "server"
listen = "192.0.2.1/198.51.100.1:5868"
target = "127.0.0.1:3868"
source = "127.0.0.2:0"
cert = "hss.pem"
key = "hss-key.pem"
ca = "ca.pem"
crl = ["ca.crl"]
psk = "keys"
min-version = "1.2"
max-version = "1.3"
label = "legacy"
ppid = ["0:47", "46:47"]
max-associations = 100
max-handshakes = 50
max-handshakes-per-host = 5
streams = 64
buffer = 1_048_576
handshake-timeout = "3s"
drain-timeout = "500ms"
# none but clients have a probe-interval

[[service.allow]]
dns = ["mme1.example.org", "*.mme.example.org"]
uri = ["spiffe://example.org/mme/*"]
cn = ["mme"]
ou = ["core"]
spki = ["sha256/47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="]
# nobody has a certificate and a pre-shared key

[[service.allow]]
cn = ["other"]
target = "127.0.0.1:3869"

[[service]]
name = "mme"
role = "client"
listen = "localhost/127.0.0.2/[::1]:3868"
target = "hss.example.org:5868"
server-name = "hss.example.org"
cert = "mme.pem"

[[service]]
name = "all"
role = "server"
listen = ":5869"
target = "[2001:db8::2]:3868"
peer-source = true
unsafe = true
cert = "hss.pem"
ca = "ca.pem"
allow-all = true

[[service]]
name = "redirected"
role = "client"
listen = "127.0.0.1:4000"
redirect = true
psk = "keys"
probe-interval = "1m"
allow = [{psk = ["mme2"]}]
`

func TestParse(t *testing.T) {
	c, err := Parse("f", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if want := (Process{"127.0.0.1:9868", "json", "warn", "sctp-tunnel", true}); c.Process != want {
		t.Errorf("got %+v", c.Process)
	}
	if len(c.Services) != 4 {
		t.Fatalf("%d services", len(c.Services))
	}
	hss := c.Services[0]
	hss.Policy.Rules = nil
	if want := (Service{
		Name: "hss", Role: tunnel.Server, Listen: "192.0.2.1/198.51.100.1:5868", Target: "127.0.0.1:3868",
		Source: "127.0.0.2:0", Cert: "hss.pem", Key: "hss-key.pem", CA: "ca.pem", CRL: []string{"ca.crl"},
		PSK:        "keys",
		MinVersion: sctpdtls.VersionDTLS12, MaxVersion: sctpdtls.VersionDTLS13, Label: "legacy",
		PPIDs: map[uint32]uint32{0: 47, 46: 47},
		Limits: tunnel.Limits{Associations: 100, Handshakes: 50, HandshakesPerHost: 5, Streams: 64,
			Buffer:    1 << 20,
			Handshake: 3 * time.Second, Drain: time.Second / 2},
	}); !reflect.DeepEqual(hss, want) {
		t.Errorf("got  %+v\nwant %+v", hss, want)
	}
	rules := c.Services[0].Policy.Rules
	if len(rules) != 2 || len(rules[0].DNS) != 2 || len(rules[0].URI) != 1 ||
		len(rules[0].SPKI) != 1 || rules[1].Target != "127.0.0.1:3869" {
		t.Errorf("rules %+v", rules)
	}
	if c.Services[3].Limits.Probe != time.Minute || len(c.Services[3].Policy.Rules[0].PSK) != 1 {
		t.Errorf("%+v", c.Services[3])
	}
	if p := c.Services[1].Policy; !p.All {
		t.Error("a client without allow takes no server")
	}
	defaults, err := Parse("f",
		[]byte("[[service]]\nname='a'\nrole='client'\nlisten='127.0.0.1:1'\ntarget='b:1'\npsk='k'"))
	if want := (Process{"", "text", "info", "", true}); err != nil || defaults.Process != want {
		t.Errorf("%+v, %v", defaults, err)
	}
}

// Each kind of fault has its line and a remedy. The rest of the file is good.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name     string
		old, new string // in whole
		want     string // of each fault, in lines; “LINE: parts...parts”
	}{
		{"unknown key", "sandbox", "sandbocks", "6: unknown key \"sandbocks\"...sctp-tunnel config"},
		{"two unknown keys", "cert = \"hss.pem\"\nkey = ", "crt = \"hss.pem\"\nkeys = ",
			"14: \"service.crt\"\n15: \"service.keys\""},
		{"unknown key in a rule", "cn = [\"other\"]", "cm = [\"other\"]", "41: \"service.allow.cm\""},
		{"syntax", "log-level = \"warn\"", "log-level = warn", "4: "},
		{"type", "streams = 64", "streams = \"64\"",
			"26: service.streams: wrong type (string): use a number without quotes"},
		{"type of a switch", "sandbox = true", "sandbox = 'no'", "6: sandbox: ...use true or false"},
		{"a user without the sandbox", "sandbox = true", "sandbox = false",
			"5: user: not possible...sandbox"},
		{"type of a switch of a service", "allow-all = true", "allow-all = 'yes'",
			"61: service.allow-all: ...true or false"},
		{"type of a time", "\"3s\"", "3",
			"28: service.handshake-timeout: ...integer): use a string in quotes"},
		{"type of a list", "crl = [\"ca.crl\"]", "crl = 'ca.crl'",
			"17: service.crl: ...use a list of strings"},
		{"type in a list", "cn = [\"other\"]", "cn = ['other', 1]",
			"41: service.allow.cn: ...integer): use a list of strings"},
		{"a list in a list", "ppid = [\"0:47\", \"46:47\"]", "ppid = [['0', '47']]",
			"22: service.ppid: ...array): use a list of strings"},
		{"type of a rule", "allow-all = true", "allow = 'cn:x'",
			"61: service.allow: ...use a table: [[service.allow]]"},
		{"types of rules", "allow-all = true", "allow = ['cn:x']",
			"61: service.allow: ...use a table: [[service.allow]]"},
		{"type in a rule in a line", "allow-all = true", "allow = [\n{cn = ['x']},\n{cn = 'x'}]",
			"63: service.allow.cn: ...use a list of strings"},
		{"type of a key with capital letters", "streams = 64", "Streams = \"64\"",
			"26: service.Streams: wrong type...string...number"},
		{"a table in place of a text", "psk = \"keys\"\nmin", "psk.file = \"keys\"\nmin",
			"18: service.psk.file: wrong type...use a string"},
		{"too large a number for any", "streams = 64", "streams = 99999999999999999999",
			"26: service.streams"},
		{"capital letters", "cert = \"mme.pem\"", "Cert = \"mme.pem\"",
			"50: unknown key \"service.Cert\""},
		{"capital letters in a line", "allow-all = true", "allow = [{CN = ['x']}]",
			"61: unknown key \"service.allow.CN\""},
		{"unknown table", "[[service]]\nname = \"mme\"",
			"[service.limits]\nstreams = 1\n[[service]]\nname = \"mme\"",
			"44: unknown key \"service.limits\""},
		{"twice", "cn = [\"mme\"]", "cn = [\"mme\"]\ncn = [\"x\"]", "36: cn"},
		{"a buffer that holds no message", "buffer = 1_048_576",
			"buffer = 1_048_576\nmax-message-size = 1_048_576",
			"27: buffer: 1048576...remove buffer"},
		{"small messages", "buffer = 1_048_576", "max-message-size = 1000",
			"27: max-message-size: invalid value 1000...16384 to"},
		{"too large a number", "streams = 64", "streams = 70000",
			"26: streams: invalid value 70000...1 to 65535"},
		{"no service", whole[strings.Index(whole, "\n[[service]]"):], "", "1: no services...[[service]]"},
		{"log format", "\"json\"", "\"yaml\"", "3: log-format...\"yaml\"...text or json"},
		{"status", "127.0.0.1:9868", "9868", "2: status...invalid address"},
		{"status socket", "127.0.0.1:9868", "unix:run/s", "2: status...absolute"},
		{"same names", `name = "mme"`, `name = "hss"`, `45: service "hss": name: line 9 has`},
		{"no name", `name = "mme"`, ``, `44: name: invalid service name`},
		{"odd name", `name = "mme"`, `name = "m\"me\n"`, `45: ...name`},
		{"role", `role = "client"
listen = "127.0.0.1:4000"`, `role = "proxy"
listen = "127.0.0.1:4000"`, `65: service "redirected": role: invalid value "proxy"...server`},
		{"clear side of a server", "target = \"127.0.0.1:3868\"", "target = \"127.0.0.1/10.0.0.1:3868\"",
			"12: service \"hss\": target...\"10.0.0.1\"...not protected...unsafe"},
		{"clear side of a client", "localhost/127.0.0.2/[::1]:3868", ":3868",
			"47: listen...\":3868\" is not a loopback address"},
		{"clear side of one peer", "127.0.0.1:3869", "0.0.0.0:3869",
			"42: allow.1.target...not protected"},
		{"no target", "target = \"hss.example.org:5868\"", "", "44: target: missing address...HOST:PORT"},
		{"no port", "hss.example.org:5868", "hss.example.org", "48: target...invalid address"},
		{"port 0", "hss.example.org:5868", "hss.example.org:0", "48: target...port 0"},
		{"no host", "hss.example.org:5868", ":5868", "48: target...has no host"},
		{"IPv6 without brackets", "hss.example.org:5868", "2001:db8::1:5868", "48: target...brackets"},
		{"no address", "192.0.2.1/198.51.100.1:5868", "192.0.2.1//198.51.100.1:5868",
			"11: listen...invalid address"},
		{"source", "127.0.0.2:0", "127.0.0.2", "13: source...invalid address"},
		{"key without certificate", "cert = \"hss.pem\"\nkey", "key", "8: cert: missing certificate"},
		{"no certificate", "server-name = \"hss.example.org\"\ncert = \"mme.pem\"", "",
			"44: cert: missing certificate...psk"},
		{"no CA", "ca = \"ca.pem\"\ncrl = [\"ca.crl\"]", "", "8: ca: missing CA certificates"},
		{"no CA for CRLs", "ca = \"ca.pem\"\nallow-all", "crl = ['x']\nallow-all",
			"52: ca: missing CA certificates\n60: crl"},
		{"nobody may", "allow-all = true", "", "52: allow: no peer is allowed...allow-all"},
		{"empty rule", "cn = [\"other\"]", "", "40: allow.1: the rule names no peer"},
		{"empty name", "cn = [\"other\"]", "cn = [\"\"]", "40: allow.1: ...empty"},
		{"host name", "*.mme.example.org", "m*.example.org", "33: allow.0.dns...host name"},
		{"URI", "spiffe://example.org/mme/*", "spiffe://*/mme", "34: allow.0.uri...host"},
		{"pin", "47DEQpj8", "", "37: allow.0.spki...openssl"},
		{"a client's daemon", "server-name = ", "allow=[{cn=['x'],target='127.0.0.1:1'}]\nserver-name = ",
			"49: allow.0.target: not allowed for a client"},
		{"server-name", "unsafe = true", "server-name = 'x'\nunsafe = true", "58: server-name"},
		{"redirect", "unsafe = true", "redirect = true\nunsafe = true", "58: redirect"},
		{"redirect and target", "redirect = true", "redirect = true\ntarget = 'x:1'", "68: target"},
		{"peer-source", "redirect = true", "redirect = true\npeer-source = true", "68: peer-source"},
		{"IPv4 of a peer", "[2001:db8::2]:3868", "10.0.0.9:3868",
			"56: target: \"10.0.0.9\"...peer-source...IPv6"},
		{"loopback of a peer", "[2001:db8::2]:3868", "localhost/[::1]:3868",
			"56: target...\"localhost\"\n56: target...\"::1\""},
		{"a peer's own daemon", "peer-source = true",
			"peer-source = true\nallow = [{cn = ['x'], target = '10.0.0.9:1'}]",
			"58: allow.0.target: ...peer-source"},
		{"two sources", "peer-source = true", "peer-source = true\nsource = '127.0.0.1:0'", "58: source"},
		{"version", `min-version = "1.2"`, `min-version = "1.1"`, `19: min-version...1.2 or 1.3`},
		{"versions", `min-version = "1.2"
max-version = "1.3"`, `min-version = "1.3"
max-version = "1.2"`, `20: max-version...lower`},
		{"label", `"legacy"`, `"openssl"`, "21: label"},
		{"PPID", `"0:47"`, `"0=47"`, "22: ppid...\"0=47\"...0:47"},
		{"large PPID", `"0:47"`, `"0:4294967296"`, "22: ppid"},
		{"two PPIDs", `"0:47"`, `"46:66"`, "22: ppid: 46 is mapped to 66 and to 47"},
		{"time", `"3s"`, `"3"`, `28: handshake-timeout...10s`},
		{"no time", `"3s"`, `"-3s"`, `28: handshake-timeout`},
		{"same port", `":5869"`, `":5868"`, `55: service "all": listen...service "hss" in line 11...192`},
		{"same port by name", `"127.0.0.1:4000"`, `"127.0.0.1:3868"`,
			`66: service "redirected": listen...service "mme" in line 47...127.0.0.1:3868`},
		{"same address in another form", `"127.0.0.1:4000"`, `"[0:0::1]:3868"`,
			`66: listen...service "mme"`},
		{"its own port", "listen = \"192.0.2.1/198.51.100.1:5868\"\ntarget = \"127.0.0.1:3868\"",
			"listen = \":5867\"\ntarget = \"127.0.0.1:5867\"",
			"12: target: the service itself listens...of \"127.0.0.1\""},
		{"its own port, of one peer", `listen = "192.0.2.1/198.51.100.1:5868"`,
			`listen = "localhost:3869"`,
			"42: allow.1.target: the service itself listens"},
		{"its own port, of a client", `"hss.example.org:5868"`, `"127.0.0.2:3868"`,
			"48: target: the service itself listens"},
		{"probe-interval", "# none but", "probe-interval = '1m' #",
			"30: probe-interval: not allowed for a server"},
		{"large messages of DTLS 1.2", "max-version = \"1.3\"",
			"max-version = \"1.2\"\nmax-message-size = 100_000", "21: max-message-size: 100000...1.2"},
		{"certificate and key", "# nobody has", "psk = ['mme2'] #",
			"32: allow.0: the rule requires...two rules"},
		{"a key that is not there", "psk = \"keys\"\nprobe", "cert = \"c\"\nprobe",
			"70: allow.0: the rule names a pre-shared key...set psk"},
		{"a certificate that is not asked for", "cert = \"hss.pem\"\nca = \"ca.pem\"\nallow-all = true",
			"psk = \"k\"\nallow = [{ou = ['x']}]", "60: allow.0: the rule names a certificate...set ca"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(whole, tt.old, tt.new, 1)
			if text == whole {
				t.Fatal("nothing is replaced")
			}
			_, err := Parse("f.toml", []byte(text))
			if err == nil {
				t.Fatal("no fault")
			}
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("a %T", err)
			}
			lines, want := strings.Split(err.Error(), "\n"), strings.Split(tt.want, "\n")
			if len(lines) != len(want) || len(lines) != len(faults) {
				t.Fatalf("got:\n%v", err)
			}
			for i, line := range lines {
				number, says, _ := strings.Cut(want[i], " ")
				rest, ok := strings.CutPrefix(line, "f.toml:"+number+" ")
				for part := range strings.SplitSeq(says, "...") {
					_, after, found := strings.Cut(rest, part)
					ok = ok && found
					rest = after
				}
				if !ok || len(line) > 512 {
					t.Errorf("%q does not say %q", line, want[i])
				}
			}
		})
	}
}

// The error lists all faults, in the order of the file.
func TestAllFaults(t *testing.T) {
	text := strings.NewReplacer(`"json"`, `"x"`, `"0:47"`, `"x"`, `"hss.example.org:5868"`,
		`"x"`).Replace(whole)
	_, err := Parse("f", []byte(text))
	var faults Faults
	errors.As(err, &faults)
	var lines []int
	for _, f := range faults {
		lines = append(lines, f.Line)
	}
	if want := []int{3, 22, 48}; !slices.Equal(lines, want) {
		t.Errorf("lines %d, want %d: %v", lines, want, err)
	}
}

// The flags of one service have the same faults.
func TestCheck(t *testing.T) {
	good := Settings{Name: "server", Role: "server", Listen: ":5868", Target: "127.0.0.1:3868",
		Cert: "c", CA: "ca", AllowAll: true}
	p := new(Process)
	if s, err := Check(p, &good); err != nil || s.Role != tunnel.Server || p.LogLevel != "info" {
		t.Errorf("%+v, %v", s, err)
	}
	bad := good
	bad.Target = "192.0.2.1:3868"
	_, err := Check(p, &bad)
	if err == nil || !strings.HasPrefix(err.Error(), `-target: "192.0.2.1" is not a loopback`) {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f.toml")
	if err := os.WriteFile(name, []byte("x = 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(name); err == nil || !strings.HasPrefix(err.Error(), name+":1: ") {
		t.Error(err)
	}
	if _, err := Read(name + "x"); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// FuzzParse: no text makes trouble; what has no fault can be used, and each fault is one line.
func FuzzParse(f *testing.F) {
	f.Add(whole)
	f.Add("[[service]]\nallow = [{dns = ['x']}]\n[service.x]\n")
	f.Add("service = [{name = 'a'}, {name = 'b'}]")
	f.Add("a.b.c = 1\n[a]\n\"ü\" = '''\n'''")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := Parse("f", []byte(text))
		if err == nil {
			if len(c.Services) == 0 {
				t.Fatal("no services")
			}
			for _, s := range c.Services {
				if s.Role == 0 || s.Listen == "" || s.Cert == "" && s.PSK == "" || !s.Policy.All &&
					len(s.Policy.Rules) == 0 {
					t.Fatalf("%+v", s)
				}
			}
			return
		}
		var faults Faults
		if !errors.As(err, &faults) || len(faults) == 0 {
			t.Fatalf("a %T: %v", err, err)
		}
		for _, f := range faults {
			if f.Line < 1 || f.Line > strings.Count(text, "\n")+1 {
				t.Fatalf("line %d: %v", f.Line, f)
			}
		}
	})
}
