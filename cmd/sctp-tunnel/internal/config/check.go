package config

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/access"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A checker collects faults.
type checker struct {
	file    string
	lines   map[string]int // of keys
	prefix  string         // of the path of the service that is being checked
	service string
	faults  Faults
}

func (c *checker) fault(key, text, remedy string) {
	f := Fault{File: c.file, Service: c.service, Key: key, Text: text, Remedy: remedy}
	if c.file != "" {
		f.Line = c.line(strings.TrimSuffix(c.prefix+key, "."))
	}
	c.faults = append(c.faults, f)
}

func (c *checker) err() error {
	if len(c.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(c.faults, func(a, b Fault) int { return a.Line - b.Line })
	return c.faults
}

// oneOf returns value, or the first of those that are possible if it is empty.
func (c *checker) oneOf(key, value string, possible ...string) string {
	if value == "" {
		return possible[0]
	}
	if !slices.Contains(possible, value) {
		c.fault(key, fmt.Sprintf("invalid value %.80q", value), "use "+strings.Join(possible, " or "))
	}
	return value
}

// process checks what is not a service's, and fills in what is empty.
func (c *checker) process(p *Process) {
	p.LogFormat = c.oneOf("log-format", p.LogFormat, "text", "json")
	p.LogLevel = c.oneOf("log-level", p.LogLevel, "info", "debug", "warn", "error")
	c.status(p.Status)
	c.user(p)
}

// user rejects a user whom the process would not become.
func (c *checker) user(p *Process) {
	if p.User != "" && !p.Sandbox {
		c.fault("user", "not possible without the sandbox", "remove user, or enable the sandbox")
	}
}

func (c *checker) status(address string) {
	if path, ok := strings.CutPrefix(address, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			c.fault("status", fmt.Sprintf("socket path %.80q is not absolute", path),
				"use for example unix:/run/sctp-tunnel/status.sock")
		}
	} else if address != "" {
		c.address("status", address, 1)
	}
}

// check makes a service of its settings.
func (c *checker) check(s *Settings) Service {
	service := Service{
		Name: s.Name, Listen: s.Listen, Target: s.Target, Source: s.Source,
		Redirect: s.Redirect, PeerSource: s.PeerSource, AlwaysListen: s.AlwaysListen,
		Cert: s.Cert, Key: s.Key, CA: s.CA, CRL: s.CRL, PSK: s.PSK, ServerName: s.ServerName,
	}
	if s.Name == "" || len(s.Name) > 64 || strings.ContainsFunc(s.Name, odd) {
		c.fault("name", fmt.Sprintf("invalid service name %.80q", s.Name),
			"use 1 to 64 letters, digits, and the characters - _ .")
	}
	switch s.Role {
	case "server":
		service.Role = tunnel.Server
	case "client":
		service.Role = tunnel.Client
	default:
		c.fault("role", fmt.Sprintf("invalid value %.80q", s.Role),
			"use server to forward DTLS/SCTP from the network to a daemon on this host, "+
				"or client for the opposite")
		return service
	}
	c.addresses(s, service.Role)
	c.credentials(s, service.Role)
	service.MinVersion, service.MaxVersion = c.version("min-version", s.MinVersion),
		c.version("max-version", s.MaxVersion)
	// DTLS counts downwards
	if service.MaxVersion != 0 && service.MaxVersion > service.MinVersion && service.MinVersion != 0 {
		c.fault("max-version", "lower than min-version", "exchange the two values")
	}
	service.Label = c.oneOf("label", s.Label, "rfc6083", "legacy", "draft")
	service.Policy = c.policy(s, service.Role)
	service.PPIDs = c.ppids(s.PPID)
	service.Limits = c.limits(s)
	if s.MaxMessageSize > sctpdtls.MaxMessageSize && s.MaxVersion == "1.2" {
		c.fault("max-message-size", fmt.Sprintf("%d bytes exceed the %d of DTLS 1.2",
			s.MaxMessageSize, sctpdtls.MaxMessageSize), "remove max-version or max-message-size")
	}
	return service
}

// odd reports whether a character does not belong in a name, which is a label of metrics too.
func odd(r rune) bool {
	return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' ||
		strings.ContainsRune("-_.", r))
}

// Texts of faults for keys of the other role.
const (
	notForServers = "not allowed for a server"
	notForClients = "not allowed for a client"
)

func (c *checker) addresses(s *Settings, role tunnel.Role) {
	server := role == tunnel.Server
	c.address("listen", s.Listen, 1)
	switch {
	case s.Redirect && server:
		c.fault("redirect", notForServers,
			"remove it; nftables redirects to a server without it")
	case s.AlwaysListen && server:
		c.fault("always-listen", notForServers, "remove it; a server always listens")
	case s.ProbeInterval != "" && server:
		c.fault("probe-interval", notForServers, "remove it; only a client probes its target")
	case s.Redirect && s.Target != "":
		c.fault("target", "not allowed with redirect", "remove target or redirect")
	case s.Redirect:
	default:
		c.address("target", s.Target, 1)
	}
	if s.PeerSource && !server {
		c.fault("peer-source", notForClients, "remove it; only a server connects to the daemon")
	}
	if s.PeerSource && s.Source != "" {
		c.fault("source", "not allowed with peer-source", "remove source or peer-source")
	} else if s.Source != "" {
		c.address("source", s.Source, 0)
	}
	if s.PeerSource && server {
		c.beside("target", s.Target)
		for i, a := range s.Allow {
			c.beside(fmt.Sprintf("allow.%d.target", i), a.Target)
		}
	}
	if s.Target != "" {
		c.other("target", s.Listen, s.Target)
	}
	if s.Unsafe {
		return
	}
	key, address := "listen", s.Listen
	if server {
		key, address = "target", s.Target
	}
	c.loopback(key, address)
}

// other wants a target not to be where the service listens: it would dial itself, again and again.
func (c *checker) other(key, listen, target string) {
	if host, yes := own(listen, target); yes {
		c.fault(key, fmt.Sprintf("the service itself listens on this port of %.80q", host),
			"use the address of the other side, or listen on another port")
	}
}

// loopback wants an address of the side without DTLS not to leave this host.
func (c *checker) loopback(key, address string) {
	hosts, _, ok := split(address)
	if !ok {
		return // already reported
	}
	for _, host := range hosts {
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil ||
			!ip.Unmap().IsLoopback()) {
			c.fault(key, fmt.Sprintf("%.80q is not a loopback address, and plain SCTP is not protected",
				cmp.Or(host, address)),
				"use 127.0.0.1 or ::1, or set unsafe if only the daemon can be reached there, for "+
					"example in its own network namespace")
			return
		}
	}
}

// beside wants an address of a daemon that can be dialed from a peer's: of IPv6, and not of the
// loopback, whose scope is another one.
func (c *checker) beside(key, address string) {
	hosts, _, _ := split(address)
	for _, host := range hosts {
		ip, err := netip.ParseAddr(host)
		if host != "localhost" && (err != nil || ip.Is6() && !ip.Is4In6() && !ip.IsLoopback()) {
			continue
		}
		c.fault(key, fmt.Sprintf("%.80q is not possible with peer-source", host),
			"use an IPv6 address of this host other than ::1, and set unsafe; or remove peer-source")
	}
}

// address wants “host:port” or “host/host:port”, with a port of least at least.
func (c *checker) address(key, address string, least int) {
	hosts, port, ok := split(address)
	switch {
	case address == "":
		c.fault(key, "missing address", "use HOST:PORT, or HOST/HOST:PORT for several addresses")
	case !ok:
		c.fault(key, fmt.Sprintf("invalid address %.80q", address),
			"use HOST:PORT, or HOST/HOST:PORT for several addresses, with IPv6 addresses in brackets")
	case port < least:
		c.fault(key, fmt.Sprintf("address %.80q has port 0", address), "use a port from 1 to 65535")
	case key == "target" && slices.Contains(hosts, ""):
		c.fault(key, fmt.Sprintf("address %.80q has no host", address), "add the host")
	}
}

// split splits an address into its hosts, without brackets, and port.
func split(address string) (hosts []string, port int, ok bool) {
	i := strings.LastIndexByte(address, ':')
	if i < 0 {
		return nil, 0, false
	}
	n, err := strconv.ParseUint(address[i+1:], 10, 16)
	if err != nil {
		return nil, 0, false
	}
	for host := range strings.SplitSeq(address[:i], "/") {
		inside, bracket := strings.CutPrefix(host, "[")
		inside, closed := strings.CutSuffix(inside, "]")
		if bracket != closed || !bracket && strings.Contains(host, ":") || strings.ContainsAny(inside,
			"[] \t\n") ||
			host == "" && i > 0 {
			return nil, 0, false
		}
		hosts = append(hosts, inside)
	}
	return hosts, int(n), true
}

// LowPort reports whether the port of an address is one that needs a privilege (below 1024).
func LowPort(address string) bool {
	_, port, ok := split(address)
	return ok && port > 0 && port < 1024
}

func (c *checker) credentials(s *Settings, role tunnel.Role) {
	server := role == tunnel.Server
	if s.Key != "" && s.Cert == "" {
		c.fault("cert", "missing certificate of key", "set cert too")
	}
	switch {
	case s.Cert == "" && s.PSK == "":
		c.fault("cert", "missing certificate", "set cert to the file of this end's certificate, or "+
			"psk to a file of pre-shared keys")
	case server && s.Cert != "" && s.CA == "":
		c.fault("ca", "missing CA certificates", "set ca to a file of the CAs that issue the "+
			"certificates of the peers")
	}
	if server && s.ServerName != "" {
		c.fault("server-name", notForServers, "remove it; allow selects the clients")
	}
	if len(s.CRL) > 0 && s.CA == "" {
		c.fault("crl", "missing CA certificates for revocation lists", "set ca too")
	}
}

func (c *checker) version(key, name string) uint16 {
	if name == "" {
		return 0
	}
	switch c.oneOf(key, name, "1.2", "1.3") {
	case "1.2":
		return sctpdtls.VersionDTLS12
	case "1.3":
		return sctpdtls.VersionDTLS13
	}
	return 0
}

func (c *checker) policy(s *Settings, role tunnel.Role) access.Policy {
	server := role == tunnel.Server
	p := access.Policy{All: s.AllowAll || !server && len(s.Allow) == 0}
	if !p.All && len(s.Allow) == 0 {
		c.fault("allow", "no peer is allowed", "name peers by dns, uri, cn, ou, spki or psk, or "+
			"set allow-all to allow every peer that ca or psk authenticates")
	}
	for i, a := range s.Allow {
		c.provable(fmt.Sprintf("allow.%d", i), s, &a, server)
		p.Rules = append(p.Rules, c.rule(fmt.Sprintf("allow.%d", i), &a))
		if a.Target == "" {
			continue
		}
		key := fmt.Sprintf("allow.%d.target", i)
		if !server {
			c.fault(key, notForClients, "remove it; only a server selects the daemon by peer")
			continue
		}
		c.address(key, a.Target, 1)
		c.other(key, s.Listen, a.Target)
		if !s.Unsafe {
			c.loopback(key, a.Target)
		}
	}
	return p
}

// provable wants what a rule names to be something that a peer of the service can prove.
func (c *checker) provable(key string, s *Settings, a *Allow, server bool) {
	certificate := len(a.DNS)+len(a.URI)+len(a.CN)+len(a.OU)+len(a.SPKI) > 0
	switch {
	case len(a.PSK) > 0 && s.PSK == "":
		c.fault(key, "the rule names a pre-shared key, but the service has none",
			"set psk of the service, or remove that of the rule")
	case len(a.PSK) > 0 && certificate:
		c.fault(key, "the rule requires a certificate and a pre-shared key, but no peer has both",
			"use two rules")
	case certificate && server && s.CA == "" && s.Cert == "":
		c.fault(key, "the rule names a certificate, but the service does not request one",
			"set ca, or name peers by psk")
	}
}

func (c *checker) rule(key string, a *Allow) access.Rule {
	r := access.Rule{CN: a.CN, OU: a.OU, PSK: a.PSK, Target: a.Target}
	n := len(a.DNS) + len(a.URI) + len(a.CN) + len(a.OU) + len(a.SPKI) + len(a.PSK)
	if n == 0 {
		c.fault(key, "the rule names no peer", "add dns, uri, cn, ou, spki or psk")
	}
	for _, names := range [][]string{a.DNS, a.URI, a.CN, a.OU, a.PSK} {
		if slices.Contains(names, "") {
			c.fault(key, "the rule has an empty name", "remove it")
		}
	}
	for _, text := range a.DNS {
		p, err := access.DNSPattern(text)
		if err != nil && text != "" {
			c.fault(key+".dns", err.Error(), "")
		}
		r.DNS = append(r.DNS, p)
	}
	for _, text := range a.URI {
		p, err := access.URIPattern(text)
		if err != nil && text != "" {
			c.fault(key+".uri", err.Error(), "")
		}
		r.URI = append(r.URI, p)
	}
	for _, text := range a.SPKI {
		var p access.Pin
		if err := p.UnmarshalText([]byte(text)); err != nil {
			c.fault(key+".spki", err.Error(), "")
		}
		r.SPKI = append(r.SPKI, p)
	}
	return r
}

func (c *checker) ppids(pairs []string) map[uint32]uint32 {
	m := make(map[uint32]uint32)
	for _, pair := range pairs {
		a, b, ok := strings.Cut(pair, ":")
		clear, err := strconv.ParseUint(a, 10, 32)
		dtls, err2 := strconv.ParseUint(b, 10, 32)
		if !ok || err != nil || err2 != nil {
			c.fault("ppid", fmt.Sprintf("invalid pair %.80q", pair), "use CLEAR:DTLS, such as 0:47")
			continue
		}
		if other, twice := m[uint32(clear)]; twice && other != uint32(dtls) {
			c.fault("ppid", fmt.Sprintf("%d is mapped to %d and to %d", clear, other, dtls),
				"remove one of them")
		}
		m[uint32(clear)] = uint32(dtls)
	}
	return m
}

func (c *checker) limits(s *Settings) tunnel.Limits {
	number := func(key string, n, least, most int) int {
		if n != 0 && (n < least || n > most) {
			c.fault(key, fmt.Sprintf("invalid value %d", n), fmt.Sprintf("use %d to %d", least, most))
		}
		return n
	}
	span := func(key, text string) time.Duration {
		if text == "" {
			return 0
		}
		d, err := duration(text)
		if err != nil {
			c.fault(key, fmt.Sprintf("invalid duration %.80q", text), "use for example 10s, 500ms or 1m")
		}
		return d
	}
	if s.Buffer != 0 && s.MaxMessageSize > 0 && s.Buffer < s.MaxMessageSize+dtlscore.MaxOverhead {
		c.fault("buffer", fmt.Sprintf("%d bytes do not hold a message of max-message-size",
			s.Buffer), fmt.Sprintf("use %d or more, or remove buffer",
			s.MaxMessageSize+dtlscore.MaxOverhead))
	}
	return tunnel.Limits{
		Associations:      number("max-associations", s.MaxAssociations, 1, 1<<20),
		Handshakes:        number("max-handshakes", s.MaxHandshakes, 1, 1<<20),
		HandshakesPerHost: number("max-handshakes-per-host", s.MaxHandshakesPerHost, 1, 1<<20),
		Streams:           uint16(number("streams", s.Streams, 1, 65535)),
		Buffer:            number("buffer", s.Buffer, 16384, 1<<30),
		Message: number("max-message-size", s.MaxMessageSize, sctpdtls.MaxMessageSize,
			sctpdtls.MaxLargeMessageSize),
		Handshake: span("handshake-timeout", s.HandshakeTimeout),
		Drain:     span("drain-timeout", s.DrainTimeout),
		Probe:     span("probe-interval", s.ProbeInterval),
	}
}

// conflicts finds services that want the same port of the same address.
func (c *checker) conflicts(services []Service) {
	for i, a := range services {
		for j, b := range services[:i] {
			if host := shared(a.Listen, b.Listen); host != "" {
				c.prefix, c.service = fmt.Sprintf("service.%d.", i), a.Name
				c.fault("listen", fmt.Sprintf("service %.80q in line %d also listens on %s", b.Name,
					c.line(fmt.Sprintf("service.%d.listen", j)), host),
					"use different ports or addresses")
			}
		}
	}
}

// shared returns an address, with port, that two have in common, or nothing.
func shared(a, b string) string {
	hostsA, portA, okA := split(a)
	hostsB, portB, okB := split(b)
	if !okA || !okB || portA != portB {
		return ""
	}
	for _, x := range hostsA {
		for _, y := range hostsB {
			a, b := canonical(x), canonical(y)
			switch {
			case a == b && x != "" || covers(b, a):
				return net.JoinHostPort(x, strconv.Itoa(portA))
			case covers(a, b):
				return net.JoinHostPort(y, strconv.Itoa(portA))
			}
		}
	}
	return ""
}

// canonical returns what a host stands for: a name that has to be looked up, or an address in the
// one form that it has.
func canonical(host string) string {
	switch ip, err := netip.ParseAddr(host); {
	case err == nil:
		return ip.Unmap().String()
	case host == "localhost":
		return "127.0.0.1"
	case host == "":
		return "::"
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// covers reports whether a socket on all addresses of a kind has that of another one: those of IPv6
// have IPv4 too.
func covers(all, one string) bool {
	ip, err := netip.ParseAddr(one)
	return all == "::" || all == "0.0.0.0" && (err != nil || ip.Is4())
}

// own reports whether one of the hosts that a service would dial at its own port is itself.
func own(listen, target string) (host string, yes bool) {
	here, port, ok := split(listen)
	there, other, ok2 := split(target)
	if !ok || !ok2 || port != other {
		return "", false
	}
	for _, host := range there {
		ip, err := netip.ParseAddr(canonical(host))
		beside := err == nil && (ip.IsLoopback() || ip.IsUnspecified())
		for _, l := range here {
			if canonical(l) == canonical(host) || beside && covers(canonical(l), canonical(host)) {
				return host, true
			}
		}
	}
	return "", false
}
