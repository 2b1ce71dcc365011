package main

import (
	"fmt"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A fact is one line about what a handshake negotiated.
type fact struct{ name, value string }

// facts lists what was negotiated.
func facts(s sctpdtls.ConnectionState) []fact {
	streams := fact{"streams", fmt.Sprintf("%d out, %d in", s.OutStreams, s.InStreams)}
	if s.Version == 0 {
		return []fact{{"version", plain + ": nothing is protected"}, streams}
	}
	f := []fact{
		{"version", sctpdtls.VersionName(s.Version)},
		{"suite", sctpdtls.CipherSuiteName(s.CipherSuite)},
	}
	if s.CurveID != 0 {
		f = append(f, fact{"group", groupName(s.CurveID)})
	}
	f = append(f, fact{"peer", doctor.PeerName(s)})
	if s.NegotiatedProtocol != "" {
		f = append(f, fact{"alpn", legible.Text(s.NegotiatedProtocol)})
	}
	if s.DidResume {
		f = append(f, fact{"session", "resumed"})
	}
	if s.MaxWrite > sctpdtls.MaxMessageSize || s.MaxRead > sctpdtls.MaxMessageSize {
		f = append(f, fact{"messages", fmt.Sprintf("up to %d bytes out, %d in", s.MaxWrite, s.MaxRead)})
	}
	return append(f,
		fact{"SCTP-AUTH", fmt.Sprintf("key id %d", s.AuthKeyID)},
		streams,
	)
}

// inColumns formats facts as lines.
func inColumns(facts []fact) string {
	var b strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&b, "  %-9s  %s\n", f.name, f.value)
	}
	return b.String()
}

// inLine formats facts as one line.
func inLine(facts []fact) string {
	var parts []string
	for _, f := range facts {
		switch f.name {
		case "version", "suite", "group": // need no name
			parts = append(parts, f.value)
		default:
			parts = append(parts, f.name+" "+f.value)
		}
	}
	return strings.Join(parts, ", ")
}
