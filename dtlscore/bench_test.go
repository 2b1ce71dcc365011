package dtlscore

import (
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"sync"
	"testing"
)

// Handshakes of version 1.2, both ends on one processor, beside crypto/tls
// with the same certificates and choices.
func BenchmarkHandshake12(b *testing.B) {
	for _, bm := range []struct {
		name          string
		auth          tls.ClientAuthType
		resume        bool
		signs, checks int // public-key operations of both ends
	}{
		{"server", tls.NoClientCert, false, 1, 2},
		{"mutual", tls.RequireAndVerifyClientCert, false, 2, 4},
		{"resumed", tls.NoClientCert, true, 0, 0},
		{"resumed-mutual", tls.RequireAndVerifyClientCert, true, 0, 0},
	} {
		b.Run(bm.name+"/dtlscore", func(b *testing.B) { benchmarkCore(b, bm.auth, bm.resume) })
		b.Run(bm.name+"/crypto-tls", func(b *testing.B) { benchmarkTLS(b, bm.auth, bm.resume) })
		if !bm.resume {
			b.Run(bm.name+"/floor", func(b *testing.B) { benchmarkFloor(b, bm.signs, bm.checks) })
		}
	}
}

func oneProcessor(b *testing.B) {
	before := runtime.GOMAXPROCS(1)
	b.Cleanup(func() { runtime.GOMAXPROCS(before) })
	b.ReportAllocs()
}

func benchmarkCore(b *testing.B, auth tls.ClientAuthType, resume bool) {
	oneProcessor(b)
	client, server := testClientConfig(), testServerConfig(auth)
	if resume {
		client, server = resumingConfigs(auth)
		benchmarkConnect(b, client, server)
	}
	for b.Loop() {
		if c := benchmarkConnect(b, client, server); c.ConnectionState().DidResume != resume {
			b.Fatal("a handshake of the wrong kind")
		}
	}
}

// benchmarkConnect makes a connection with as little around it as there can be.
func benchmarkConnect(b *testing.B, client, server *Config) *Conn {
	ends := [2]*Conn{must(Client(client)), must(Server(server))}
	for _, c := range ends {
		if err := c.Start(); err != nil {
			b.Fatal(err)
		}
	}
	var inbox [2][][]byte
	complete := 0
	var obey func(i int)
	receive := func(i int) {
		record := inbox[i][0]
		inbox[i] = inbox[i][1:]
		if _, err := ends[i].Receive(record, true); err != nil {
			b.Fatal(err)
		}
	}
	obey = func(i int) {
		for e := ends[i].NextEvent(); e.Kind != EventNone; e = ends[i].NextEvent() {
			switch e.Kind {
			case EventSend:
				inbox[1-i] = append(inbox[1-i], e.Data)
			case EventDrain:
				for len(inbox[i]) > 0 {
					receive(i)
				}
				if err := ends[i].Drained(); err != nil {
					b.Fatal(err)
				}
			case EventHandshakeComplete:
				complete++
			}
		}
	}
	for obey(0); complete < 2; {
		for i := range ends {
			for len(inbox[i]) > 0 {
				receive(i)
				obey(i)
			}
		}
	}
	return ends[0]
}

func benchmarkTLS(b *testing.B, auth tls.ClientAuthType, resume bool) {
	oneProcessor(b)
	client := &tls.Config{
		RootCAs: testCerts().ca.pool(), ServerName: testName, Certificates: []tls.Certificate{testCerts().client},
		MaxVersion: tls.VersionTLS12, Time: testNow, CurvePreferences: []tls.CurveID{tls.X25519},
	}
	server := &tls.Config{
		Certificates: []tls.Certificate{testCerts().ecdsa}, ClientCAs: testCerts().ca.pool(), ClientAuth: auth,
		MaxVersion: tls.VersionTLS12, Time: testNow, SessionTicketsDisabled: !resume,
	}
	if resume {
		client.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	}
	connect := func() bool {
		a, z := newMemoryPipe()
		done := make(chan error)
		s := tls.Server(z, server)
		go func() { done <- s.Handshake() }()
		c := tls.Client(a, client)
		if err := c.Handshake(); err != nil {
			b.Fatal(err)
		}
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		return c.ConnectionState().DidResume
	}
	if resume {
		connect()
	}
	for b.Loop() {
		if connect() != resume {
			b.Fatal("a handshake of the wrong kind")
		}
	}
}

// benchmarkFloor is the public-key operations alone: two key exchanges with
// X25519, and signatures with P-256.
func benchmarkFloor(b *testing.B, signs, checks int) {
	oneProcessor(b)
	key := testCerts().ecdsa.PrivateKey.(*ecdsa.PrivateKey)
	digest := sha256.Sum256([]byte("message"))
	signature := must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
	for b.Loop() {
		one := must(ecdh.X25519().GenerateKey(rand.Reader))
		other := must(ecdh.X25519().GenerateKey(rand.Reader))
		must(one.ECDH(other.PublicKey()))
		must(other.ECDH(one.PublicKey()))
		for range signs {
			must(key.Sign(rand.Reader, digest[:], crypto.SHA256))
		}
		for range checks {
			if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], signature) {
				b.Fatal("signature")
			}
		}
	}
}

// newMemoryPipe returns the ends of a connection that buffers what is
// written, unlike net.Pipe: a writer need not wait for its reader.
func newMemoryPipe() (a, b net.Conn) {
	one, other := newMemoryHalf(), newMemoryHalf()
	return memoryConn{in: one, out: other}, memoryConn{in: other, out: one}
}

type memoryHalf struct {
	mu    sync.Mutex
	ready sync.Cond
	data  []byte
}

func newMemoryHalf() *memoryHalf {
	h := new(memoryHalf)
	h.ready.L = &h.mu
	return h
}

type memoryConn struct {
	net.Conn // for the methods that nobody calls
	in, out  *memoryHalf
}

func (c memoryConn) Read(b []byte) (int, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	for len(c.in.data) == 0 {
		c.in.ready.Wait()
	}
	n := copy(b, c.in.data)
	c.in.data = c.in.data[n:]
	return n, nil
}

func (c memoryConn) Write(b []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	c.out.data = append(c.out.data, b...)
	c.out.ready.Signal()
	return len(b), nil
}

// One record sealed and opened, as in users' applications.
func BenchmarkRecord12(b *testing.B) {
	for _, suite := range []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256} {
		for _, size := range []int{64, 1024, MaxPlaintext} {
			b.Run(fmt.Sprintf("%s/%d", tls.CipherSuiteName(suite), size), func(b *testing.B) {
				client := testClientConfig()
				client.CipherSuites = []uint16{suite}
				p := newTestPair(b, client, testServerConfig(tls.NoClientCert))
				p.handshake()
				plaintext := make([]byte, size)
				buffer := make([]byte, 0, size+MaxOverhead)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := p.server.conn.Receive(must(p.client.conn.Seal(buffer, plaintext)), false); err != nil {
						b.Fatal(err)
					}
					p.client.conn.app.Load().next.Store(1) // or the keys would be used up
				}
			})
		}
	}
}

// BenchmarkIdle12 is the memory of a pair of open connections that do nothing,
// without what they share.
func BenchmarkIdle12(b *testing.B) {
	client, server := testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert)
	const pairs = 500
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		keep := make([]*testPair, pairs)
		for i := range keep {
			keep[i] = newTestPair(b, client, server)
			keep[i].handshake()
			for _, e := range []*testEnd{keep[i].client, keep[i].server} {
				*e = testEnd{conn: e.conn}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/pairs, "heap-B/pair")
		runtime.KeepAlive(keep)
	}
}
