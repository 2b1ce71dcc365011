package access

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// A Pattern matches names of one kind: equal names, or others too if it has wildcards.
type Pattern struct {
	text  string
	parts []string // between separators
	uri   bool
}

func (p Pattern) String() string { return p.text }

// DNSPattern returns a pattern for host names. "*.example.org" matches names with one label in
// place of the star, as in certificates (RFC 9525, Section 6.3), and a certificate for that
// wildcard itself.
func DNSPattern(text string) (Pattern, error) {
	p := Pattern{text: text, parts: strings.Split(strings.ToLower(strings.TrimSuffix(text, ".")), ".")}
	for i, label := range p.parts {
		if label == "" || strings.ContainsAny(label, "/: ") || strings.Contains(label, "*") &&
			(label != "*" || i > 0) {
			return p, fmt.Errorf("invalid host name %.80q: only the first label can be a wildcard (*)", text)
		}
	}
	if p.parts[0] == "*" && len(p.parts) < 3 {
		return p, fmt.Errorf("wildcard %.80q matches too many hosts: use at least two labels after it",
			text)
	}
	return p, nil
}

// URIPattern returns a pattern for URIs. A star matches one part of the path, and two stars at the
// end match one or more parts: "spiffe://example.org/ns/*/amf", "spiffe://example.org/**". Scheme
// and host are required.
func URIPattern(text string) (Pattern, error) {
	bad := func(why string) (Pattern, error) {
		return Pattern{}, fmt.Errorf("invalid URI %.80q: %s", text, why)
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return bad("the scheme is missing, or the syntax is wrong")
	}
	scheme, rest, _ := strings.Cut(text, ":")
	p := Pattern{text: text, uri: true, parts: strings.Split(strings.ToLower(scheme)+":"+rest, "/")}
	// With a host, the parts are the scheme, an empty part, the host, and the parts of the path.
	for i, part := range p.parts {
		switch {
		case !strings.Contains(part, "*"):
		case i < 3 && strings.HasPrefix(rest, "//"), i == 0:
			return bad("the scheme and the host cannot have wildcards")
		case part != "*" && part != "**":
			return bad("a wildcard stands for a whole part of the path")
		case part == "**" && i < len(p.parts)-1:
			return bad("** must be at the end")
		}
	}
	return p, nil
}

// Matches reports whether p matches a name.
func (p Pattern) Matches(name string) bool {
	if !p.uri {
		parts := strings.Split(strings.ToLower(strings.TrimSuffix(name, ".")), ".")
		if len(parts) != len(p.parts) {
			return false
		}
		for i, part := range p.parts {
			if parts[i] != part && (part != "*" || parts[i] == "") {
				return false
			}
		}
		return true
	}
	parts := strings.Split(name, "/")
	for i, part := range p.parts {
		switch {
		case i >= len(parts):
			return false
		case part == "**":
			return !slices.ContainsFunc(parts[i:], odd)
		case parts[i] != part && (part != "*" || odd(parts[i])):
			return false
		}
	}
	return len(parts) == len(p.parts)
}

// odd reports whether a wildcard must not match a part of a URI: a reader that normalizes the path,
// or stops at a query, would see a different URI.
func odd(part string) bool {
	return part == "" || part == "." || part == ".." || strings.ContainsAny(part, "?#%")
}
