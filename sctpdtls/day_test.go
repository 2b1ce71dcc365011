package sctpdtls

import (
	"encoding/binary"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// A whole day has 100,000 changes of keys; "make soak" asks for it.
var day = flag.Duration("day", 2*time.Minute, "how long TestDayOfRekeys lasts, of a false clock")

// Both ends make new keys by policy every 1.7 seconds and send a message every 100 ms, for a long
// time. None is lost, comes twice or out of order. RFC 6083, Sections 4.7, 4.6 and 4.8; RFC 9147,
// Section 8.
func TestDayOfRekeys(t *testing.T) {
	for _, version := range versions {
		t.Run(VersionName(version), func(t *testing.T) {
			bubble(t, func(t *testing.T) { testDay(t, version) })
		})
	}
}

func testDay(t *testing.T, version uint16) {
	var changes atomic.Int64
	config := func(c *Config) *Config {
		c.MinVersion, c.MaxVersion = version, version
		c.Renegotiation = RenegotiateFreely
		c.RekeyAfter.Age = 1700 * time.Millisecond
		c.Trace = &Trace{KeysChanged: func(*Conn, uint64) { changes.Add(1) }}
		return c
	}
	p := newTestPair(t, assoctest.Options{}, config(clientConfig()), config(serverConfig()))
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	messages := uint32(*day / (100 * time.Millisecond))
	done := make(chan bool)
	for _, c := range []*Conn{p.client, p.server} {
		go func() {
			defer func() { done <- true }()
			var b [4]byte
			for n := range messages {
				binary.BigEndian.PutUint32(b[:], n)
				if err := c.WriteMessage(b[:], MessageInfo{Stream: 1}); err != nil {
					t.Errorf("writing message %d: %v", n, err)
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}()
		go func() {
			defer func() { done <- true }()
			var b [4]byte
			for n := range messages {
				if _, _, err := c.ReadMessage(b[:]); err != nil || binary.BigEndian.Uint32(b[:]) != n {
					t.Errorf("reading message %d: got %x, %v", n, b, err)
					c.Abort()
					return
				}
			}
		}()
	}
	for range 4 {
		<-done
	}
	t.Logf("%d messages each way, keys changed %d times", messages, changes.Load())
	if least := int64(*day / (2 * time.Second)); changes.Load() < least {
		t.Errorf("keys changed less than %d times", least)
	}
	p.close()
}
