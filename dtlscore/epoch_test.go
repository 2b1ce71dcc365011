package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"sync"
	"testing"
)

// E6, E7: keys are not used beyond their limits, and some of the limit is reserved for the alert.
// RFC 6347, Section 4.1; RFC 9325, Section 4.4.
func TestAttackE6E7KeysUsedUp(t *testing.T) {
	for _, limit := range []uint64{controlReserve + 3, maxSequence} {
		p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
		p.handshake()
		e := p.client.conn.app.Load()
		e.limits.records = limit
		e.next.Store(limit - controlReserve - 2)
		for i := range 4 {
			if _, err := p.client.conn.Seal(nil, []byte("x")); (err == nil) != (i < 2) ||
				i >= 2 && !errors.Is(err, ErrKeysUsedUp) {
				t.Errorf("limit %d, record %d: %v", limit, i, err)
			}
		}
		p.client.conn.Close()
		p.client.obey()
		p.run()
		if !p.server.closed || p.client.err != nil {
			t.Errorf("limit %d: cannot close any more: %v", limit, p.client.err)
		}
		e.next.Store(limit)
		p.client.conn.pushRecord(contentAlert, []byte{1, 90})
		p.client.obey()
		if !errors.Is(p.client.err, ErrKeysUsedUp) {
			t.Errorf("limit %d: wraps: %v", limit, p.client.err)
		}
	}
}

// E6: concurrent writers do not exceed the limit.
func TestAttackE6ManyWritersAtTheLimit(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	p.handshake()
	e := p.client.conn.app.Load()
	e.next.Store(maxSequence - controlReserve - 1)
	e.limits.records = maxSequence
	var wait sync.WaitGroup
	for range 4 * controlReserve {
		wait.Go(func() {
			if record, err := p.client.conn.Seal(nil, nil); err == nil &&
				bytes.Equal(record[3:11], []byte{0, 1, 0, 0, 0, 0, 0, 0}) {
				t.Error("the sequence number has wrapped")
			}
		})
	}
	wait.Wait()
	e.next.Store(maxSequence) // as if all of them had passed the first check
	if _, err := e.seal(nil, contentAlert, nil); !errors.Is(err, ErrKeysUsedUp) {
		t.Errorf("beyond the last sequence number: %v", err)
	}
}

// F5: concurrent writers never use the same sequence number, and so never the same nonce.
func TestAttackF5ConcurrentSeal(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	p.handshake()
	const writers, each = 4, 500
	records := make([][][]byte, writers)
	var wait sync.WaitGroup
	for i := range writers {
		wait.Go(func() {
			for range each {
				records[i] = append(records[i], must(p.client.conn.Seal(nil, []byte("x"))))
			}
		})
	}
	wait.Wait()
	seen := make(map[string]bool)
	for _, list := range records {
		for _, r := range list {
			if number := string(r[3:11]); seen[number] {
				t.Fatalf("number %x twice", number)
			} else {
				seen[number] = true
			}
			if !bytes.Equal(r[3:11], r[recordHeaderLen:][:gcmExplicitLen]) {
				t.Fatal("explicit nonce is not epoch and sequence number")
			}
			p.server.receive(testRecord{r, false})
		}
	}
	if len(p.server.data) != writers*each || p.server.err != nil {
		t.Errorf("%d messages, %v", len(p.server.data), p.server.err)
	}
}

// The data path does not allocate.
func TestDataPathAllocations(t *testing.T) {
	for _, suite := range []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		client := testClientConfig()
		client.CipherSuites = []uint16{suite}
		p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
		p.handshake()
		plaintext := make([]byte, 1000)
		buffer := make([]byte, 0, len(plaintext)+MaxOverhead)
		n := testing.AllocsPerRun(100, func() {
			record, err := p.client.conn.Seal(buffer, plaintext)
			if err != nil {
				t.Fatal(err)
			}
			data, err := p.server.conn.Receive(record, false, Tag{})
			if err != nil || len(data) != len(plaintext) {
				t.Fatal(err)
			}
		})
		if n != 0 {
			t.Errorf("suite %#04x: %v allocations for a record", suite, n)
		}
	}
}

func TestKeyUsage(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.NoClientCert))
	if n, limit := p.client.conn.KeyUsage(); n != 0 || limit != 0 {
		t.Errorf("before the handshake: %d of %d", n, limit)
	}
	p.handshake()
	before, limit := p.client.conn.KeyUsage()
	p.exchangeData()
	if after, same := p.client.conn.KeyUsage(); after != before+4 || same != limit || limit > 1<<25 {
		t.Errorf("%d records, and %d after 4 more, of %d", before, after, limit)
	}
}
