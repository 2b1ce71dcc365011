package core

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/dtls/v3"

	"github.com/seed-41f70523/dtls-sctp/bench/certs"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A protector has two ends with the same keys. It seals a number of messages of one size, and then
// opens them in the same order.
type protector interface {
	seal(i int) error
	open(i int) error
	turn() // called between sealing and opening
	close()
}

// All protectors use AES-128-GCM. The bare AEAD protects what each version protects: the message
// with the record header as additional data, and in DTLS 1.3 the content type too, which at some
// sizes adds a block.
var protectors = []struct {
	name string
	new  func(set *certs.Set, size, batch int) (protector, error)
}{
	{"aead", func(_ *certs.Set, size, batch int) (protector, error) {
		return newBare(size, 13, batch)
	}},
	{"aead 1.3", func(_ *certs.Set, size, batch int) (protector, error) {
		return newBare(size+1, 5, batch)
	}},
	{"dtls1.2", func(s *certs.Set, size, batch int) (protector, error) {
		return newDTLS(s, dtlscore.VersionDTLS12, size, batch)
	}},
	{"dtls1.3", func(s *certs.Set, size, batch int) (protector, error) {
		return newDTLS(s, dtlscore.VersionDTLS13, size, batch)
	}},
	{"crypto/tls 1.2", func(s *certs.Set, size, _ int) (protector, error) {
		return newTLS(s, tls.VersionTLS12, size)
	}},
	{"crypto/tls 1.3", func(s *certs.Set, size, _ int) (protector, error) {
		return newTLS(s, tls.VersionTLS13, size)
	}},
	{"pion/dtls", newPion},
}

// pionLimit is the size of the buffer into which pion/dtls receives; larger records are lost.
const pionLimit = 8 << 10

func records(set *certs.Set) ([]measure.Contest, error) {
	var contests []measure.Contest
	for _, size := range Sizes {
		c := measure.Contest{Name: fmt.Sprintf("record/%d", size)}
		// What is sealed stays in the near caches until it is opened.
		batch := min(max(64<<10/size, 4), 512)
		for _, p := range protectors {
			if p.name == "pion/dtls" && size > pionLimit {
				continue
			}
			run := func(d time.Duration) (measure.Sample, error) {
				p, err := p.new(set, size, batch) // a new one, before its sequence numbers run out
				if err != nil {
					return nil, err
				}
				defer p.close()
				return measureProtector(p, batch, d)
			}
			c.Contestants = append(c.Contestants, measure.Contestant{
				Name: p.name,
				Run: func(d time.Duration) (measure.Sample, error) {
					return onProcessors(1, func() (measure.Sample, error) { return run(d) })
				},
			})
		}
		contests = append(contests, c)
	}
	for _, size := range Sizes {
		c := measure.Contest{Name: fmt.Sprintf("parallel/%d", size)}
		for _, who := range []struct {
			name                 string
			connections, writers int // writers per connection
		}{{"1", 1, 1}, {"2", 1, 2}, {"2 apart", 2, 1}} {
			c.Contestants = append(c.Contestants, measure.Contestant{
				Name: who.name,
				Run: func(d time.Duration) (measure.Sample, error) {
					return onProcessors(2, func() (measure.Sample, error) {
						return sealParallel(set, size, who.connections, who.writers, d)
					})
				},
			})
		}
		contests = append(contests, c)
	}
	return contests, nil
}

// measureProtector returns the time per record, in nanoseconds.
func measureProtector(p protector, batch int, d time.Duration) (measure.Sample, error) {
	runtime.GC() // so that garbage of the handshake is not collected during the measurement
	sealAll := func() error {
		for i := range batch {
			if err := p.seal(i); err != nil {
				return err
			}
		}
		p.turn()
		return nil
	}
	openAll := func() error {
		for i := range batch {
			if err := p.open(i); err != nil {
				return err
			}
		}
		p.turn()
		return nil
	}
	var sealing, opening time.Duration
	n := 0
	for warm := true; warm || sealing+opening < d; {
		start := processorTime()
		if err := sealAll(); err != nil {
			return nil, err
		}
		between := processorTime()
		if err := openAll(); err != nil {
			return nil, err
		}
		if warm {
			warm = false
			continue
		}
		sealing += between - start
		opening += processorTime() - between
		n += batch
	}
	var err error
	allocs := testing.AllocsPerRun(4, func() {
		if err == nil {
			err = sealAll()
		}
		if err == nil {
			err = openAll()
		}
	})
	per := func(d time.Duration) float64 { return float64(d.Nanoseconds()) / float64(n) }
	return measure.Sample{
		"seal ns": per(sealing), "open ns": per(opening), "both ns": per(sealing + opening),
		"allocations": allocs / float64(batch),
	}, err
}

// bare is the AEAD alone.
type bare struct {
	aead      cipher.AEAD
	nonce     [12]byte
	header    []byte
	plaintext []byte
	records   [][]byte
}

func newBare(size, header, batch int) (protector, error) {
	block, err := aes.NewCipher(make([]byte, 16))
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &bare{aead: aead, header: make([]byte, header), plaintext: make([]byte, size),
		records: buffers(batch, size)}, err
}

func buffers(n, size int) [][]byte {
	b := make([][]byte, n)
	for i := range b {
		b[i] = make([]byte, 0, size+dtlscore.MaxOverhead)
	}
	return b
}

func (b *bare) seal(i int) error {
	b.records[i] = b.aead.Seal(b.records[i][:0], b.nonce[:], b.plaintext, b.header)
	return nil
}

func (b *bare) open(i int) error {
	_, err := b.aead.Open(b.records[i][:0], b.nonce[:], b.records[i], b.header)
	return err
}

func (b *bare) turn()  {}
func (b *bare) close() {}

// ours is package dtlscore.
type ours struct {
	*dtlsPair
	plaintext []byte
	records   [][]byte
}

func newDTLS(set *certs.Set, version uint16, size, batch int) (protector, error) {
	client, server := dtlsConfigs(set, version, false)
	pair, err := connectDTLS(client, server)
	return &ours{pair, make([]byte, size), buffers(batch, size)}, err
}

func (o *ours) seal(i int) (err error) {
	o.records[i], err = o.sealed(o.records[i], o.plaintext)
	return err
}

// sealed calls Seal, and Upkeep when DTLS 1.3 needs it.
func (p *dtlsPair) sealed(b, plaintext []byte) ([]byte, error) {
	record, err := p.ends[0].Seal(b[:0], plaintext)
	if errors.Is(err, dtlscore.ErrUpkeepDue) {
		if err := p.ends[0].Upkeep(); err != nil {
			return nil, err
		}
		if err := p.settle(); err != nil {
			return nil, err
		}
		record, err = p.ends[0].Seal(b[:0], plaintext)
	}
	return record, err
}

func (o *ours) open(i int) error {
	_, err := o.ends[1].Receive(o.records[i], false, dtlscore.Tag{})
	return err
}

func (o *ours) turn()  {}
func (o *ours) close() {}

// conns are two connections that read and write over a pipe in memory.
type conns struct {
	client, server interface {
		io.ReadWriter
		Close() error
	}
	arriving     *queue // to the server
	holding      bool
	plaintext, b []byte
}

func newTLS(set *certs.Set, version uint16, size int) (protector, error) {
	client, server := tlsConfigs(set, version, false)
	client.DynamicRecordSizingDisabled = true
	c, s, err := connectTLS(client, server)
	if err != nil {
		return nil, err
	}
	q := c.NetConn().(streamPipe).out
	return &conns{client: c, server: s, arriving: q, plaintext: make([]byte, size),
		b: make([]byte, size)}, nil
}

func newPion(set *certs.Set, size, _ int) (protector, error) {
	a, b := newPipe()
	client, server := pionOptions(set, false, nil, nil)
	c, s, err := connectPion(a, b, client, server)
	if err != nil {
		return nil, err
	}
	// Otherwise its reading goroutine would open records while this one seals.
	a.out.hold(true)
	return &conns{client: c, server: s, arriving: a.out, holding: true, plaintext: make([]byte, size),
		b: make([]byte, size)}, nil
}

func (c *conns) seal(int) error { _, err := c.client.Write(c.plaintext); return err }
func (c *conns) open(int) error { _, err := io.ReadFull(c.server, c.b); return err }

func (c *conns) turn() {
	if _, ok := c.client.(*dtls.Conn); ok {
		c.holding = !c.holding
		c.arriving.hold(c.holding)
	}
}

func (c *conns) close() {
	c.arriving.close()
	c.client.Close()
	c.server.Close()
}

// sealParallel returns the number of records per second that several writers of each connection
// seal together. Several connections share nothing, and show the limit of the machine.
func sealParallel(set *certs.Set, size, connections, writers int, d time.Duration) (measure.Sample,
	error) {
	client, server := dtlsConfigs(set, dtlscore.VersionDTLS12, false)
	var sealing []*dtlscore.Conn // one per writer
	for range connections {
		pair, err := connectDTLS(client, server)
		if err != nil {
			return nil, err
		}
		sealing = append(sealing, slices.Repeat([]*dtlscore.Conn{pair.ends[0]}, writers)...)
	}
	var wait sync.WaitGroup
	var running atomic.Int32
	rates, failed := make([]float64, len(sealing)), make([]error, len(sealing))
	for w, conn := range sealing {
		wait.Go(func() {
			plaintext, b := make([]byte, size), make([]byte, 0, size+dtlscore.MaxOverhead)
			running.Add(1)
			for running.Load() < int32(len(sealing)) { // starting a thread takes time
			}
			start, n := time.Now(), 0
			for ok := true; ok && failed[w] == nil; ok = time.Since(start) < d {
				for range 16 {
					_, failed[w] = conn.Seal(b, plaintext)
				}
				n += 16
			}
			rates[w] = float64(n) / time.Since(start).Seconds()
		})
	}
	wait.Wait()
	total := 0.0
	for _, rate := range rates {
		total += rate
	}
	return measure.Sample{"records/s": total}, errors.Join(failed...)
}
