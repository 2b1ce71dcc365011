// Package config reads the configuration of sctp-tunnel: a file in TOML with any number of
// services, or the flags of one. It reports all faults at once, each with its line and remedy.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/access"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
)

// A Config is what a file says.
type Config struct {
	Process
	Services []Service
}

// A Process is what all services have in common. It cannot be changed without a restart.
type Process struct {
	// address of the status port: “host:port” or “unix:/path”; empty: none
	Status    string `toml:"status"`
	LogFormat string `toml:"log-format"` // “text” or “json”
	LogLevel  string `toml:"log-level"`  // “debug”, “info”, “warn” or “error”
	User      string `toml:"user"`       // whom to become once everything is open; empty: nobody else
	Sandbox   bool   `toml:"-"`          // take from the process what it does not need
}

// A Service is one of a file.
type Service struct {
	Name string
	Role tunnel.Role

	Listen, Target, Source string
	Redirect, PeerSource   bool
	AlwaysListen           bool

	Cert, Key, CA string   // files in PEM form
	CRL           []string // files of revocation lists, in PEM or DER form
	PSK           string   // file of pre-shared keys

	ServerName string // that a server's certificate must have; empty: that of Target
	MinVersion uint16 // of DTLS; 0: the library's
	MaxVersion uint16
	// “rfc6083”, “legacy” or “draft”: with which the keys of SCTP-AUTH are made
	Label string

	Policy access.Policy
	PPIDs  map[uint32]uint32
	Limits tunnel.Limits
}

// A Settings is a service as it is written: keys of a file, or flags without their dash.
type Settings struct {
	Name         string `toml:"name"`
	Role         string `toml:"role"`
	Listen       string `toml:"listen"`
	Target       string `toml:"target"`
	Source       string `toml:"source"`
	Redirect     bool   `toml:"redirect"`
	AlwaysListen bool   `toml:"always-listen"`
	PeerSource   bool   `toml:"peer-source"`
	Unsafe       bool   `toml:"unsafe"`

	Cert       string   `toml:"cert"`
	Key        string   `toml:"key"`
	CA         string   `toml:"ca"`
	CRL        []string `toml:"crl"`
	PSK        string   `toml:"psk"`
	ServerName string   `toml:"server-name"`
	MinVersion string   `toml:"min-version"`
	MaxVersion string   `toml:"max-version"`
	Label      string   `toml:"label"`

	AllowAll bool    `toml:"allow-all"`
	Allow    []Allow `toml:"allow"`

	PPID []string `toml:"ppid"`

	MaxAssociations      int    `toml:"max-associations"`
	MaxHandshakes        int    `toml:"max-handshakes"`
	MaxHandshakesPerHost int    `toml:"max-handshakes-per-host"`
	Streams              int    `toml:"streams"`
	Buffer               int    `toml:"buffer"`
	MaxMessageSize       int    `toml:"max-message-size"`
	HandshakeTimeout     string `toml:"handshake-timeout"`
	DrainTimeout         string `toml:"drain-timeout"`
	ProbeInterval        string `toml:"probe-interval"`
}

// An Allow is a rule as it is written.
type Allow struct {
	DNS    []string `toml:"dns"`
	URI    []string `toml:"uri"`
	CN     []string `toml:"cn"`
	OU     []string `toml:"ou"`
	SPKI   []string `toml:"spki"`
	PSK    []string `toml:"psk"`
	Target string   `toml:"target"`
}

// file is a file as it is written.
type file struct {
	Process
	Sandbox  *bool      `toml:"sandbox"`
	Services []Settings `toml:"service"`
}

// maxFile is the size in bytes of the largest configuration.
const maxFile = 16 << 20

// Read reads a file. An error of what is in it is a [Faults].
func Read(name string) (*Config, error) {
	text, err := doctor.ReadFile(name, maxFile)
	if err != nil {
		return nil, err
	}
	return Parse(name, text)
}

// Parse parses the text of a file of that name. An error is a [Faults].
func Parse(name string, text []byte) (*Config, error) {
	var f file
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, syntax(name, text, err)
	}
	c := &checker{file: name, lines: positions(text)}
	if c.spelling(); c.faults != nil {
		return nil, c.err()
	}
	config := &Config{Process: Process{Status: f.Status, User: f.User, Sandbox: f.Sandbox == nil ||
		*f.Sandbox}}
	config.LogFormat = c.oneOf("log-format", f.LogFormat, "text", "json")
	config.LogLevel = c.oneOf("log-level", f.LogLevel, "info", "debug", "warn", "error")
	c.status(f.Status)
	c.user(&config.Process)
	if len(f.Services) == 0 {
		c.fault("", "no services", "add a [[service]] table")
	}
	seen := make(map[string]int)
	for i := range f.Services {
		s := &f.Services[i]
		c.prefix, c.service = fmt.Sprintf("service.%d.", i), s.Name
		config.Services = append(config.Services, c.check(s))
		if first, twice := seen[s.Name]; twice && s.Name != "" {
			c.fault("name", fmt.Sprintf("line %d has a service with the same name",
				c.line(fmt.Sprintf("service.%d.name", first))), "use different names")
		}
		seen[s.Name] = i
	}
	c.prefix, c.service = "", ""
	c.conflicts(config.Services)
	return config, c.err()
}

// Check checks the settings of one service that flags have given, and of the process, of which it
// fills in what is empty. An error is a [Faults].
func Check(p *Process, s *Settings) (*Service, error) {
	c := new(checker)
	c.process(p)
	service := c.check(s)
	return &service, c.err()
}

// A Fault is one thing that is wrong with a configuration.
type Fault struct {
	File    string // empty: a flag
	Line    int    // 0: not known
	Service string // its name, if it is one's
	Key     string // or the flag without its dash
	Text    string
	Remedy  string
}

func (f Fault) Error() string {
	var b strings.Builder
	switch {
	case f.File == "" && f.Key != "":
		fmt.Fprintf(&b, "-%s: ", f.Key)
	case f.File != "":
		fmt.Fprintf(&b, "%s:%d: ", f.File, f.Line)
		if f.Service != "" {
			fmt.Fprintf(&b, "service %.80q: ", f.Service)
		}
		if f.Key != "" {
			fmt.Fprintf(&b, "%s: ", f.Key)
		}
	}
	b.WriteString(f.Text)
	if f.Remedy != "" {
		b.WriteString(": " + f.Remedy)
	}
	return b.String()
}

// Faults are all that is wrong with a configuration: one at least. Each has a line of the text.
type Faults []Fault

func (f Faults) Error() string {
	var lines []string
	for _, one := range f {
		lines = append(lines, one.Error())
	}
	return strings.Join(lines, "\n")
}

// duration is a text of one, as it is in a [Settings].
func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err == nil && d <= 0 {
		err = errors.New("not positive")
	}
	return d, err
}
