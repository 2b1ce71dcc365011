package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coreos/go-systemd/v22/unit"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
)

// The configurations in the manifests for Kubernetes have no fault.
func TestManifests(t *testing.T) {
	files, err := filepath.Glob("deploy/kubernetes/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	const indent = "    "
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := strings.Split(string(text), "\n  sctp-tunnel.toml: |\n")[1:]
		if len(parts) == 0 {
			t.Errorf("%s has no configuration", file)
		}
		for _, part := range parts {
			var toml strings.Builder
			for line := range strings.Lines(part) {
				if strings.TrimSpace(line) != "" && !strings.HasPrefix(line, indent) {
					break
				}
				toml.WriteString(strings.TrimPrefix(line, indent))
			}
			if _, err := config.Parse(file, []byte(toml.String())); err != nil {
				t.Errorf("%v in\n%s", err, toml.String())
			}
		}
	}
}

// The unit uses what the program has, and leaves it the system calls of its sandbox.
func TestUnit(t *testing.T) {
	f, err := os.Open("deploy/sctp-tunnel.service")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	options, err := unit.DeserializeOptions(f)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]string)
	for _, o := range options {
		got[o.Section+" "+o.Name] = o.Value
	}
	for name, want := range map[string]string{
		"Service Type":                     "notify",
		"Service ExecStart":                "/usr/bin/sctp-tunnel run /etc/sctp-tunnel/sctp-tunnel.toml",
		"Service ExecReload":               "/bin/kill -HUP $MAINPID",
		"Service WatchdogSec":              "30",
		"Service RestartPreventExitStatus": "2", // exitUsage
		"Service RestrictAddressFamilies":  "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
		"Service CapabilityBoundingSet":    "",
		"Install WantedBy":                 "multi-user.target",
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s=%q, want %q", name, value, want)
		}
	}
	for _, call := range []string{"@system-service", "landlock_create_ruleset", "landlock_add_rule",
		"landlock_restrict_self"} {
		if !strings.Contains(" "+got["Service SystemCallFilter"]+" ", " "+call+" ") {
			t.Errorf("the filter forbids %s", call)
		}
	}
}
