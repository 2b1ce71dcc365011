package main

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

func TestParseFlags(t *testing.T) {
	first, later, err := parseFlags([]string{
		"-port", "1234", "-shim-id", "18446744073709551615", "-ipv6", "-server", "-dtls", "-async",
		"-cert-file", "a.pem", "-new-x509-credential", "-cert-file", "b.pem", "-signing-prefs", "2052",
		"-signing-prefs", "0x0403",
		"-resume-count", "1", "-resumption-delay", "10", "-max-version", "65277", "-advertise-alpn",
		"\x03foo\x01b",
		"-on-initial-expect-alpn", "foo", "-on-resume-verify-fail", "-export-label", "",
		"-expect-selected-credential", "-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	if first.port != "1234" || first.shimID != 1<<64-1 || !first.ipv6 || !first.server ||
		first.resumeCount != 1 ||
		first.resumptionDelay != 10*time.Second || first.maxVersion != 0xfefd {
		t.Errorf("got %+v", first)
	}
	if want := []string{"foo", "b"}; !reflect.DeepEqual(first.alpnOffer, want) ||
		!reflect.DeepEqual(later.alpnOffer, want) {
		t.Errorf("protocols are %q and %q, want %q", first.alpnOffer, later.alpnOffer, want)
	}
	if first.expectALPN != "foo" || later.expectALPN != "" || first.verifyFail || !later.verifyFail {
		t.Error("flags for one connection are not kept apart")
	}
	if len(first.credentials) != 2 || first.credentials[0].certFile != "a.pem" ||
		first.credentials[1].certFile != "b.pem" ||
		!reflect.DeepEqual(first.credentials[1].signingPrefs, []uint16{0x0804, 0x0403}) ||
		first.credentials[0].signingPrefs != nil {
		t.Error("credentials are not kept apart")
	}
	if !first.checkSelectedCredential || first.expectSelectedCredential != -1 {
		t.Error("the default credential is not awaited")
	}
}

func TestParseFlagsRefused(t *testing.T) {
	for _, args := range [][]string{
		{"-enable-channel-id"}, {"-on-resume-ech-config-list", "x"}, {"stray"}, {"-on-retry-verify-fail"},
	} {
		if _, _, err := parseFlags(args); !errors.Is(err, errUnimplemented) {
			t.Errorf("%q: %v, want that it is not implemented", args, err)
		}
	}
	for _, args := range [][]string{
		{"-port"}, {"-shim-id", "-1"}, {"-resume-count", "x"}, {"-ocsp-response", "?"},
		{"-advertise-alpn", "\x04foo"}, {"-curves", "65536"},
	} {
		if _, _, err := parseFlags(args); err == nil || errors.Is(err, errUnimplemented) {
			t.Errorf("%q: %v, want a mistake of the caller", args, err)
		}
	}
}

// TestIgnoredFlags makes sure that no flag is ignored that does something.
func TestIgnoredFlags(t *testing.T) {
	for name, reason := range ignored {
		first, _, err := parseFlags([]string{"-" + name, "value"})
		if err != nil { // it has no value
			first, _, err = parseFlags([]string{"-" + name})
		}
		if err != nil {
			t.Errorf("-%s: %v", name, err)
		} else if !reflect.DeepEqual(first, newOptions()) {
			t.Errorf("-%s changes the options", name)
		}
		if reason == "" {
			t.Errorf("-%s is ignored without a reason", name)
		}
	}
}
