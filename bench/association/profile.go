package association

import (
	"fmt"
	"io"
	"strings"
)

// profiles are the profiles to record, in this order, each with the name of its file.
var profiles = []struct {
	name, words string
	program     Program
	command     string
}{
	{"oneway64", "64 B one way, DTLS 1.2", dtls, "discard 64 20"},
	{"oneway64auth", "64 B one way, AUTH", authGo, "discard 64 20"},
	{"echo64", "echo of 64 B, DTLS 1.2", dtls, "echo 64 1 20"},
	{"echo64auth", "echo of 64 B, AUTH", authGo, "echo 64 1 20"},
	{"handshake12", "handshake, DTLS 1.2", dtls, "handshakes 64"},
	{"handshake13", "handshake, DTLS 1.3", dtls13, "handshakes 64"},
	{"resumed12", "resumed, DTLS 1.2", dtls.resumed(), "handshakes 64"},
	{"resumed13", "resumed, DTLS 1.3", dtls13.resumed(), "handshakes 64"},
}

// ProfileWords describes a profile.
func ProfileWords(name string) string {
	for _, p := range profiles {
		if p.name == name {
			return p.words
		}
	}
	return name
}

// Profile runs what is profiled, while the machine counts instructions: see package profile. For
// each profile it writes a line with its name and the number of messages or handshakes.
func Profile(n *Network, w io.Writer) error {
	for _, p := range profiles {
		associations, warm := 1, p.command
		if strings.HasPrefix(p.command, "handshakes") {
			associations, warm = 0, "grow 64"
		}
		c, err := n.client(p.program, associations, 1)
		if err != nil {
			return err
		}
		_, err = c.ask(warm)
		if err == nil {
			err = c.collect()
		}
		var count float64
		if err == nil {
			count, err = c.ask("profile " + p.command)
		}
		c.end()
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		fmt.Fprintf(w, "%s %.0f\n", p.name, count)
	}
	return nil
}
