package dtlscore

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// Each handshake negotiates the limits again, including one that resumes a session.
func TestLargeRecordsResumed13(t *testing.T) {
	client, server := resumingConfigs13(tls.NoClientCert)
	for i, takes := range []struct{ client, server, write, read int }{
		{1 << 20, 1 << 16, 1 << 16, 1 << 20},
		{1 << 17, 1 << 18, 1 << 18, 1 << 17},
		{0, 1 << 16, MaxPlaintext, MaxPlaintext},
		{1 << 20, 0, MaxPlaintext, MaxPlaintext},
		{1 << 15, 1 << 15, 1 << 15, 1 << 15},
	} {
		client.MaxMessageSize, server.MaxMessageSize = takes.client, takes.server
		p := newTestPair(t, client, server)
		p.handshake()
		s := p.client.conn.ConnectionState()
		if s.DidResume != (i > 0) || s.MaxWrite != takes.write || s.MaxRead != takes.read {
			t.Errorf("%d: resumed %v, may write %d and read %d", i, s.DidResume, s.MaxWrite, s.MaxRead)
		}
		p.exchangeData()
		p.exchangeLarge(takes.write, takes.read)
	}
}

// exchangeLarge sends messages of the given maximum sizes, and checks that larger ones are
// rejected.
func (p *testPair) exchangeLarge(toServer, toClient int) {
	p.t.Helper()
	for e, most := range map[*testEnd]int{p.client: toServer, p.server: toClient} {
		e.peer.data = nil
		sizes := []int{0, 46, 47, 63, 64, 16366, 16367, 16383, 16384, 16385, 65536, most - 1, most}
		for _, n := range sizes {
			if n > most {
				continue
			}
			data := testBytes(byte(n), n)
			e.write(string(data))
			e.peer.receiveNext()
			if e.peer.err != nil || len(e.peer.data) != 1 || !bytes.Equal(e.peer.data[0], data) {
				p.t.Fatalf("%s: %d bytes: %v", e.peer.name, n, e.peer.err)
			}
			e.peer.data = nil
		}
		e.peer.story = nil
		if record, err := e.conn.Seal(nil, make([]byte, most+1)); err != ErrTooLarge || record != nil {
			p.t.Errorf("%s: one byte more: %v", e.name, err)
		}
	}
}

// Each direction has the limit of its receiver, also after a KeyUpdate.
func TestLargeRecords13(t *testing.T) {
	for _, suite := range []uint16{
		TLS_AES_128_GCM_SHA256, TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256,
	} {
		client, server := largeConfigs(100_000, 1<<20)
		client.CipherSuites = []uint16{suite}
		p := newTestPair(t, client, server)
		p.handshake()
		for range 5 {
			p.exchangeLarge(1<<20, 100_000)
			for _, e := range []*testEnd{p.client, p.server} {
				if err := e.conn.KeyUpdate(UpdateNotRequested); err != nil {
					t.Fatal(err)
				}
				e.obey()
				p.run()
			}
		}
		p.wantEpochs(8, 8)
	}
}

// F8: a peer that exceeds the limit, or encodes a length incorrectly, ends the connection, and
// nothing of its record is delivered.
func TestAttackF8LargeRecords13(t *testing.T) {
	const limit = 20_000 // of content
	inner := func(n int) []byte { return append(make([]byte, n), byte(contentApplicationData)) }
	// record returns a record with an arbitrary length field.
	record := func(s *script13, inner []byte, length ...byte) []byte {
		p := s.conn.written.sealer.(*protection13)
		first := unifiedFixed | unifiedSequence | byte(p.epoch)&unifiedEpoch
		if length != nil {
			first |= unifiedLength
		}
		header := append([]byte{first, 0, 99}, length...)
		at := len(header)
		record := p.aead.Seal(header, p.nonce(make([]byte, 16), 99), inner, header)
		mask := p.mask(make([]byte, 16), record[at:])
		record[1] ^= mask[0]
		record[2] ^= mask[1]
		return record
	}
	type lengths []byte
	n4 := func(n uint32) lengths { return binary.BigEndian.AppendUint32(nil, 2<<30|n) }
	n2 := func(n uint16) lengths { return binary.BigEndian.AppendUint16(nil, 1<<14|n) }
	zeros := make([]byte, limit)
	tests := []struct {
		name   string
		inner  []byte
		length lengths
		alert  Alert // close_notify: none
	}{
		{"1 byte", inner(9), lengths{26}, AlertCloseNotify},
		{"63", inner(46), lengths{63}, AlertCloseNotify},
		{"64", inner(47), n2(64), AlertCloseNotify},
		{"16383", inner(16366), n2(16383), AlertCloseNotify},
		{"16384", inner(16367), n4(16384), AlertCloseNotify},
		{"without a length", inner(9), nil, AlertCloseNotify},
		{"full, without a length", inner(limit), nil, AlertCloseNotify},
		{"full", inner(limit), n4(limit + 17), AlertCloseNotify},
		{"padded to the limit", slices.Concat(inner(1), zeros[1:]), n4(limit + 17), AlertCloseNotify},

		{"one byte too many", inner(limit + 1), n4(limit + 18), AlertRecordOverflow},
		{"too much padding", slices.Concat(inner(1), zeros), n4(limit + 18), AlertRecordOverflow},
		{"too many, without a length", inner(limit + 1), nil, AlertRecordOverflow},
		{"a longer length than the record", inner(9), n4(limit + 18), AlertRecordOverflow},
		{"the longest length", inner(9), n4(1<<30 - 1), AlertRecordOverflow},
		{"63 in 2 bytes", inner(46), n2(63), AlertRecordOverflow},
		{"26 in 2 bytes", inner(9), n2(26), AlertRecordOverflow},
		{"26 in 4 bytes", inner(9), n4(26), AlertRecordOverflow},
		{"0 in 4 bytes", inner(9), n4(0), AlertRecordOverflow},
		{"16383 in 4 bytes", inner(16366), n4(16383), AlertRecordOverflow},
		{"no size that there is", inner(9), lengths{0xc0, 0, 0, 0, 0, 0, 0, 26}, AlertRecordOverflow},
		{"no size that there is, short", inner(9), lengths{0xff}, AlertRecordOverflow},

		{"the usual length", inner(9), lengths{0, 26}, AlertDecodeError},
		{"one byte less", inner(9), lengths{25}, AlertDecodeError},
		{"one byte more", inner(9), lengths{27}, AlertDecodeError},
		{"much more", inner(9), n4(limit), AlertDecodeError},
		{"zero", inner(9), lengths{0}, AlertDecodeError},
		{"nothing but padding", make([]byte, limit+1), n4(limit + 17), AlertUnexpectedMessage},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, updated := range []bool{false, true} {
				_, server := largeConfigs(0, limit)
				s := newScriptedClient13(t, server)
				s.clientHello(func(m *clientHello) { m.largeRecordSizeLimit = limitOf(1 << 16) })
				s.serverFlight()
				s.clientFlight()
				if updated {
					s.sendMessage(typeKeyUpdate, []byte{0})
					s.afterwards.write = s.afterwards.nextTraffic(s.afterwards.write)
					keys := s.afterwards.trafficKeys(s.hs.suite.aead, s.afterwards.write)
					s.conn.writeIn(must(newWriteEpoch13(s.hs.suite, 4, keys, s.conn.written.form)))
					s.flush()
				}
				s.under.receive(testRecord{record(s, test.inner, test.length...), false})
				if test.alert == AlertCloseNotify {
					s.wantAlive("a record that may be")
					if len(s.under.data) != 1 {
						t.Errorf("delivered %d", len(s.under.data))
					}
					continue
				}
				fault := ErrPeerMisbehaved
				if test.alert == AlertDecodeError {
					fault = ErrInvalidMessage
				}
				s.wantAlert(test.alert, fault)
				if len(s.under.data) > 0 {
					t.Errorf("delivered %d bytes", len(s.under.data[0]))
				}
			}
		})
	}
	t.Run("cut off", func(t *testing.T) {
		for _, length := range []lengths{{26}, n2(64), n4(16384)} {
			sender := &script{conn: openLarge13(t, limit, limit).client.conn}
			full := record(&script13{script: sender}, inner(9), length...)
			for n := range 3 + len(length) {
				p := openLarge13(t, limit, limit)
				p.server.receive(testRecord{full[:n], false})
				wantDead(t, p.server, AlertDecodeError, ErrInvalidMessage)
			}
		}
	})
	t.Run("two records", func(t *testing.T) {
		p := openLarge13(t, limit, limit)
		two := must(p.client.conn.Seal(nil, inner(17_000)))
		two = must(p.client.conn.Seal(two, inner(5)))
		p.server.receive(testRecord{two, false})
		wantDead(t, p.server, AlertDecodeError, ErrInvalidMessage)
	})
	t.Run("a large record of another kind", func(t *testing.T) {
		for typ, alert := range map[contentType]Alert{
			contentAlert: AlertDecodeError, contentACK: AlertDecodeError, 99: AlertUnexpectedMessage,
		} {
			p := openLarge13(t, limit, limit)
			record := must(p.client.conn.written.seal(nil, typ, make([]byte, 18_000)))
			p.server.receive(testRecord{record, true})
			if e, ok := errtype.As[*AlertError](p.server.err); !ok || e.Alert != alert {
				t.Errorf("%v: %v", typ, p.server.err)
			}
			if len(p.server.data) > 0 {
				t.Errorf("%v: delivered", typ)
			}
		}
	})
	t.Run("the handshake keeps the usual form", func(t *testing.T) {
		_, server := largeConfigs(0, limit)
		s := newScriptedClient13(t, server)
		s.clientHello(func(m *clientHello) { m.largeRecordSizeLimit = limitOf(1 << 16) })
		s.serverFlight()
		for _, number := range []uint64{epochHandshake, epochApplication} {
			form := s.conn.in.v13.epoch(uint8(number) & unifiedEpoch).form
			if form.large != (number == epochApplication) {
				t.Errorf("epoch %d: %+v", number, form)
			}
		}
		s.conn.written.sealer.(*protection13).form = recordForm{large: true, limit: 1 << 16}
		s.finished()
		s.wantAlert(AlertDecodeError, ErrInvalidMessage)
	})
	t.Run("not agreed", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.completeClient()
		s.conn.written.sealer.(*protection13).form = recordForm{large: true, limit: 1 << 16}
		s.sendData(string(make([]byte, 100)))
		s.wantAlert(AlertDecodeError, ErrInvalidMessage)
	})
}

// A peer may accept less than 2^14 bytes. Messages after the handshake are then fragmented into
// several records.
func TestSmallLimits13(t *testing.T) {
	_, server := resumingConfigs13(tls.RequireAndVerifyClientCert)
	server.MaxMessageSize = 1 << 16
	edit := func(m *clientHello) { m.largeRecordSizeLimit = limitOf(minLargeLimit) }
	s := newScriptedClient13(t, server)
	s.clientHello(edit, func(m *clientHello) { m.pskModes = []uint8{pskModeDHEKE} })
	s.serverFlight()
	s.clientFlight()
	var ack []recordNumber
	for s.seen < len(s.under.sent) {
		record := slices.Clone(s.under.sent[s.seen].bytes)
		s.seen++
		_, typ, content := s.open(record)
		if len(content) >= minLargeLimit {
			t.Errorf("%v of %d bytes", typ, len(content))
		}
		if typ == contentACK {
			ack = append(ack, must(parseACK(content))...)
		}
	}
	if s.seen < 6 || len(ack) != 3 {
		t.Errorf("%d records, ACK of %v", s.seen, ack)
	}
	if _, err := s.under.conn.Seal(nil, make([]byte, minLargeLimit)); err != ErrTooLarge {
		t.Error(err)
	}
	if _, err := s.under.conn.Seal(nil, make([]byte, minLargeLimit-1)); err != nil {
		t.Error(err)
	}
	// An ACK for five of the client's records would be too large.
	s.under.conn.in.v13.unacked = make([]recordNumber, 5)
	s.check(s.under.conn.sendACK())
	s.under.obey()
	for _, want := range []int{3, 2} {
		if _, content := s.readRecord(contentACK); len(content) != 2+16*want {
			t.Errorf("ACK of %d bytes", len(content))
		}
	}
}

// E7: keys protect no more blocks than the same number of full records of 2^14 bytes has.
func TestAttackE7LargeRecordLimit13(t *testing.T) {
	p := openLarge13(t, 1<<20, 1<<20)
	c := p.client.conn
	e := c.app.Load()
	if want := uint64(23_726_566 * 1024); e.limits.blocks != want || e.limits.records != 23_726_566 {
		t.Fatalf("%+v", e.limits)
	}
	if n := e.blocks.Load(); n != 0 {
		t.Errorf("%d blocks of nothing", n)
	}
	must(c.Seal(nil, nil))              // with its type, one
	must(c.Seal(nil, make([]byte, 15))) // likewise
	must(c.Seal(nil, make([]byte, 16)))
	must(c.Seal(nil, make([]byte, 1<<20)))
	if n := e.blocks.Load(); n != 1+1+2+1<<16+1 {
		t.Errorf("%d blocks", n)
	}
	const each, times = 1<<12 + 1, 60 // blocks in 64 KiB
	e.limits.blocks = controlReserve*1024 + times*each
	e.blocks.Store(0)
	first, data := e.next.Load(), make([]byte, 1<<16)
	for i := range uint64(times) {
		if due := i*each >= e.limits.rekeyAtBlock(); c.UpkeepDue() != due {
			t.Errorf("due: %v after %d records", !due, i)
		}
		must(c.Seal(nil, data))
	}
	for range 100 { // which does not use up the reserve for control records
		if _, err := c.Seal(nil, data); err != ErrKeysUsedUp {
			t.Fatal(err)
		}
	}
	if n, records := e.blocks.Load(), e.next.Load()-first; n != times*each || records != times {
		t.Errorf("%d blocks of %d, %d records", n, e.limits.blocks, records)
	}
	if _, err := c.Seal(nil, nil); err != ErrKeysUsedUp {
		t.Error(err)
	}
	if !c.UpkeepDue() {
		t.Error("no new keys are due")
	}
	if err := c.Upkeep(); err != nil {
		t.Fatal(err)
	}
	p.client.obey()
	p.run()
	if n := c.app.Load().blocks.Load(); n != 0 {
		t.Errorf("%d blocks under new keys", n)
	}
	p.wantEpochs(4, 3)
	// ChaCha20, and records of at most 2^14 bytes, need no count.
	client, server := largeConfigs(1<<20, 1<<20)
	client.CipherSuites = []uint16{TLS_CHACHA20_POLY1305_SHA256}
	p = newTestPair(t, client, server)
	p.handshake()
	must(p.client.conn.Seal(nil, data))
	e = p.client.conn.app.Load()
	if e.limits.blocks != 0 || e.blocks.Load() != 0 || e.limits.rekeyAtBlock() != 0 {
		t.Errorf("ChaCha20: %+v, %d blocks", e.limits, e.blocks.Load())
	}
	if e := openPair13(t).client.conn.app.Load(); e.limits.blocks != 0 {
		t.Errorf("usual records: %+v", e.limits)
	}
}

// E7: concurrent writers do not exceed the limit of blocks.
func TestAttackE7ManyLargeWriters13(t *testing.T) {
	p := openLarge13(t, 1<<20, 1<<20)
	e := p.client.conn.app.Load()
	const each = 1<<12 + 1
	e.limits.blocks = controlReserve*1024 + 10*each + each/2
	var sealed atomic.Int32
	var wait sync.WaitGroup
	for range 40 {
		wait.Go(func() {
			if _, err := p.client.conn.Seal(nil, make([]byte, 1<<16)); err == nil {
				sealed.Add(1)
			} else if err != ErrKeysUsedUp {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if n := e.blocks.Load(); sealed.Load() > 10 || n != uint64(sealed.Load())*each {
		t.Errorf("%d records, %d blocks", sealed.Load(), n)
	}
}

// E4: large records do not let an unauthenticated peer make this side buffer more.
func TestAttackE4LargeBeforeFinished13(t *testing.T) {
	const usual = recordHeaderLen + maxCiphertext12
	wait := func() (*script13, *writeEpoch) {
		_, server := largeConfigs(0, 8<<20)
		s := newScriptedClient13(t, server)
		s.clientHello(func(m *clientHello) { m.largeRecordSizeLimit = limitOf(1 << 16) })
		s.serverFlight()
		if n := s.under.conn.MaxRecord(); n != usual {
			t.Errorf("before Finished a record may have %d bytes", n)
		}
		return s, must(s.hs.writeEpoch(s.conn, epochApplication))
	}
	s, application := wait()
	s.sendDataIn(application, string(make([]byte, 1<<19)))
	s.wantAlive("half of what is kept")
	s.clientFlight()
	if n := s.under.conn.MaxRecord(); n != 7+8<<20+1+16 {
		t.Errorf("afterwards %d", n)
	}
	if len(s.under.data) != 1 || len(s.under.data[0]) != 1<<19 {
		t.Errorf("%d messages, %v", len(s.under.data), s.under.err)
	}
	s, application = wait()
	s.sendDataIn(application, string(make([]byte, maxHeldBytes)))
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s, application = wait() // which is examined when the keys are known
	record := must(application.seal(nil, contentApplicationData, make([]byte, 1<<15)))
	record[3] |= 0xc0
	s.under.receive(testRecord{record, false})
	s.wantAlive("not looked at yet")
	s.finished()
	s.wantAlert(AlertRecordOverflow, ErrPeerMisbehaved)
	if len(s.under.data) > 0 {
		t.Error("delivered")
	}
}

// The size that a record claims is correct or rejected.
func TestRecordSize13(t *testing.T) {
	p := openLarge13(t, 100_000, 100_000)
	for _, n := range []int{0, 46, 47, 16366, 16367, 16368, 50_000, 100_000} {
		record := must(p.client.conn.Seal(nil, make([]byte, n)))
		for known := range min(len(record), 20) {
			got := p.server.conn.RecordSize(record[:known])
			if got != 0 && got != len(record) || got == 0 && known > 6 {
				t.Errorf("record of %d bytes, of which %d are known: %d", len(record), known, got)
			}
		}
	}
	for _, bad := range []string{
		"", "2f", "2f0000", "2f0000c0000000", "2f00008000001a", "2f0000bfffffff",
		"2b000000000000", "2c0080800000", "17fefd",
	} {
		if n := p.server.conn.RecordSize(unhex(t, bad)); n != 0 {
			t.Errorf("%s: %d", bad, n)
		}
	}
	var c Conn
	if n := c.RecordSize(unhex(t, "2f000000100000")); n != 0 {
		t.Errorf("without keys: %d", n)
	}
}

func TestMaxMessageSizeIsChecked(t *testing.T) {
	for _, n := range []int{-1, 1, MaxPlaintext - 1, MaxLargePlaintext + 1, math.MaxInt32} {
		client, server := largeConfigs(n, n)
		_, err := Client(client)
		if !errors.Is(err, ErrMisuse) || !strings.Contains(err.Error(), "MaxMessageSize") {
			t.Errorf("client with %d: %v", n, err)
		}
		if _, err := Server(server); !errors.Is(err, ErrMisuse) {
			t.Errorf("server with %d: %v", n, err)
		}
	}
	for _, n := range []int{0, MaxPlaintext, MaxPlaintext + 1, MaxLargePlaintext} {
		client, _ := largeConfigs(n, n)
		if c, err := Client(client); err != nil || (c.config.largeLimit() != nil) != (n > MaxPlaintext) {
			t.Errorf("client with %d: %v", n, err)
		}
	}
}
