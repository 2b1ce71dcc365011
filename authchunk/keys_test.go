package authchunk

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// A fakeSocket refuses what the kernel refuses.
type fakeSocket struct {
	keys   map[uint16]string // in place of an empty secret, "null"
	active uint16
	err    error // fails every call
}

func newFakeSocket() *fakeSocket { return &fakeSocket{keys: map[uint16]string{0: "null"}} }

func (s *fakeSocket) SetAuthKey(id uint16, secret []byte) error {
	if s.err != nil {
		return s.err
	}
	if _, ok := s.keys[id]; ok {
		return fmt.Errorf("key %d is set already", id) // the kernel would replace it
	}
	s.keys[id] = string(secret)
	return nil
}

func (s *fakeSocket) SetActiveAuthKey(id uint16) error {
	if s.err != nil {
		return s.err
	}
	if _, ok := s.keys[id]; !ok {
		return fmt.Errorf("no key %d to activate", id)
	}
	s.active = id
	return nil
}

func (s *fakeSocket) DeleteAuthKey(id uint16) error {
	if s.err != nil {
		return s.err
	}
	if _, ok := s.keys[id]; !ok || id == s.active {
		return fmt.Errorf("key %d cannot be deleted", id)
	}
	delete(s.keys, id)
	return nil
}

// held prints the socket's keys, with a star at the active one.
func (s *fakeSocket) held() string {
	var b []string
	for _, id := range slices.Sorted(maps.Keys(s.keys)) {
		star := ""
		if id == s.active {
			star = "*"
		}
		b = append(b, fmt.Sprint(id)+star)
	}
	return strings.Join(b, " ")
}

// do calls the methods that the letters stand for, until an error.
func (k *Keys) do(calls string) (err error) {
	for _, c := range calls {
		switch c {
		case 'I':
			_, err = k.Install([]byte("secret"))
		case 'A':
			err = k.Activate()
		case 'R':
			err = k.Retire()
		case 'S':
			err = k.RetireStale()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func TestKeyStates(t *testing.T) { // RFC 6083, Section 4.8
	tests := []struct {
		calls  string
		want   string // keys held, * is active
		misuse bool   // of the last call
	}{
		{"", "0*", false},
		{"I", "0* 1", false},
		{"IA", "0 1*", false},
		{"IAR", "1*", false},
		{"IARIAR", "2*", false},
		{"IARR", "1*", false},    // nothing to retire
		{"R", "0*", false},       // nor here
		{"IR", "0* 1", false},    // only what is older than the active key goes
		{"IAI", "0 1* 2", false}, // the next handshake before Retire
		{"IAIR", "1* 2", false},
		{"IAIA", "0 1 2*", false},
		{"IAIAR", "2*", false},
		{"S", "0*", false},
		{"IS", "0* 1", false},
		{"IAS", "0 1*", false},
		{"IAIS", "1* 2", false},
		{"IAIAS", "1 2*", false},
		{"IAIASIASIAS", "3 4*", false}, // any number of handshakes
		{"A", "0*", true},
		{"II", "0* 1", true},
		{"IAA", "0 1*", true},
		{"IARA", "1*", true},
		{"IAII", "0 1* 2", true},
		{"IAIAI", "0 1 2*", true},
	}
	for _, tt := range tests {
		t.Run("calls "+tt.calls, func(t *testing.T) {
			s := newFakeSocket()
			err := NewKeys(s).do(tt.calls)
			if tt.misuse != errors.Is(err, ErrMisuse) || !tt.misuse && err != nil {
				t.Errorf("error %v, want misuse %v", err, tt.misuse)
			}
			if got := s.held(); got != tt.want {
				t.Errorf("keys held: %s, want %s", got, tt.want)
			}
		})
	}
}

// TestEveryOrder makes every sequence of calls up to a length and
// looks whether Keys and socket agree all along.
func TestEveryOrder(t *testing.T) {
	const longest = 9
	var try func(calls string)
	try = func(calls string) {
		s := newFakeSocket()
		k := NewKeys(s)
		var before string
		var err error
		for _, c := range calls {
			before = s.held()
			if err = k.do(string(c)); err != nil {
				break
			}
		}
		switch {
		case err != nil && !errors.Is(err, ErrMisuse):
			t.Fatalf("%s: the socket refuses: %v", calls, err)
		case err != nil && s.held() != before:
			t.Fatalf("%s: a refused call has changed the keys from %s to %s", calls, before, s.held())
		case k.Active() != s.active:
			t.Fatalf("%s: active is %d, the socket's %d", calls, k.Active(), s.active)
		case len(s.keys) != len(k.held) || len(k.held) > 3:
			t.Fatalf("%s: the socket holds %s, want %d", calls, s.held(), k.held)
		case k.Retirable() != (k.held[0] != k.Active()):
			t.Fatalf("%s: retirable is %v with %s", calls, k.Retirable(), s.held())
		}
		if err == nil && len(calls) < longest {
			for _, c := range "IAR" {
				try(calls + string(c))
			}
		}
	}
	try("")
}

func TestKeyIDWrap(t *testing.T) { // RFC 6083, Section 4.8
	s := newFakeSocket()
	k := NewKeys(s)
	for range 1<<16 - 1 {
		if err := k.do("IAR"); err != nil {
			t.Fatal(err)
		}
	}
	if k.Active() != 1<<16-1 {
		t.Fatalf("active key is %d after %d handshakes", k.Active(), 1<<16-1)
	}
	if err := k.do("I"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.held(), "1 65535*"; got != want {
		t.Errorf("keys held: %s, want %s", got, want)
	}
	if err := k.do("AR"); err != nil {
		t.Fatal(err)
	}
	if got, want := s.held(), "1*"; got != want {
		t.Errorf("keys held: %s, want %s", got, want)
	}
}

func TestSecretWiped(t *testing.T) { // RFC 6083, Section 4.8
	broken := newFakeSocket()
	broken.err = errors.New("broken")
	misused := NewKeys(newFakeSocket())
	if err := misused.do("I"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		keys *Keys
		ok   bool
	}{
		{"installed", NewKeys(newFakeSocket()), true},
		{"refused by the socket", NewKeys(broken), false},
		{"misuse", misused, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			secret := []byte("a secret of the handshake")
			_, err := tt.keys.Install(secret)
			if (err == nil) != tt.ok {
				t.Errorf("error %v", err)
			}
			if !bytes.Equal(secret, make([]byte, len(secret))) {
				t.Errorf("the secret is still there: %q", secret)
			}
		})
	}
}

func TestEmptySecret(t *testing.T) {
	if _, err := NewKeys(newFakeSocket()).Install(nil); !errors.Is(err, ErrMisuse) {
		t.Errorf("error %v, want misuse: the key would be known to everyone", err)
	}
}

func TestSocketErrors(t *testing.T) {
	for _, calls := range []string{"I", "IA", "IAR"} {
		t.Run("at the end of "+calls, func(t *testing.T) {
			s := newFakeSocket()
			k := NewKeys(s)
			last := len(calls) - 1
			if err := k.do(calls[:last]); err != nil {
				t.Fatal(err)
			}
			before := s.held()
			s.err = errors.New("broken")
			if err := k.do(calls[last:]); !errors.Is(err, s.err) {
				t.Errorf("error %v, want the socket's", err)
			}
			if s.held() != before {
				t.Errorf("keys held: %s, want %s", s.held(), before)
			}
			s.err = nil
			if err := k.do(calls[last:]); err != nil {
				t.Errorf("not to be repeated after an error of the socket: %v", err)
			}
		})
	}
}
