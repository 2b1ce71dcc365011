package sctpcore

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"
)

// TestCookieKeyChanges checks that a key signs for an hour, and is accepted for another hour only.
// See RFC 9260, Section 5.1.3.
func TestCookieKeyChanges(t *testing.T) {
	e, err := NewEndpoint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &e.key
	at := func(now time.Duration) []byte {
		return k.seal(&stateCookie{created: now, localTag: 1, peer: initChunk{tag: 2, out: 1, in: 1}})
	}
	first := at(0)
	if !bytes.Equal(first, at(0)) {
		t.Error("the key has changed before its time")
	}
	for _, tt := range []struct {
		now  time.Duration
		want bool // whether the first cookie is accepted
	}{{time.Hour - 1, true}, {time.Hour, true}, {2*time.Hour - 1, true}, {2 * time.Hour, false}} {
		latest := at(tt.now)
		if _, ok := k.open(latest); !ok {
			t.Errorf("after %v a cookie is not accepted that was just made", tt.now)
		}
		if _, ok := k.open(first); ok != tt.want {
			t.Errorf("after %v the first cookie is good: %v", tt.now, ok)
		}
	}
	var none cookieKey
	if _, ok := k.open(none.seal(&stateCookie{peer: initChunk{tag: 2, out: 1, in: 1}})); ok {
		t.Error("a cookie of no key is good")
	}
}
