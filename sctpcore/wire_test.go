package sctpcore

import (
	"bytes"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// randomInit returns an INIT or INIT ACK with random contents.
func randomInit(r *rand.Rand) initChunk {
	random := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	i := initChunk{tag: r.Uint32(), rwnd: r.Uint32(), out: 1 + uint16(r.Uint32N(65535)),
		in: 1 + uint16(r.Uint32N(65535)), tsn: r.Uint32()}
	for range r.IntN(4) {
		i.addrs = append(i.addrs, netip.AddrFrom4([4]byte(append([]byte{10}, random(3)...))),
			netip.AddrFrom16([16]byte(append([]byte{0x20}, random(15)...))))
	}
	i.forwardTSN = r.IntN(2) == 0
	if i.hasAuth = r.IntN(2) == 0; i.hasAuth {
		i.auth = authchunk.Params{Random: random(32), Chunks: random(r.IntN(20)),
			HMACs: []authchunk.HMACID{3, 1}[r.IntN(2):]}
	}
	if r.IntN(2) == 0 {
		i.cookie = random(1 + r.IntN(300))
	}
	if r.IntN(2) == 0 {
		i.preservative = time.Duration(1+r.IntN(1e6)) * time.Millisecond
	}
	return i
}

func TestInitRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		want := randomInit(r)
		got, f := parseInit(want.appendTo(nil))
		if f != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n%+v\n%+v", f, got, want)
		}
	}
}

func TestCookieRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	for range 500 {
		key := cookieKey{byte(r.Uint32())}
		want := stateCookie{
			created: time.Duration(r.Int64()), life: time.Duration(r.Int64()),
			localTag: r.Uint32(), localTSN: r.Uint32(), tie: tieTags{r.Uint32(), r.Uint32()},
			localPort: uint16(r.Uint32()), peerPort: uint16(r.Uint32()),
			from: simAddr(r.IntN(9), r.IntN(9)), random: [32]byte{byte(r.Uint32())}, peer: randomInit(r),
		}
		b := key.seal(&want)
		got, ok := key.open(b)
		if !ok || !reflect.DeepEqual(got, want) {
			t.Fatalf("%v\n%+v\n%+v", ok, got, want)
		}
		other := cookieKey{key[0] + 1}
		if _, ok := other.open(b); ok {
			t.Fatal("opened with another key")
		}
		b[r.IntN(len(b))] ^= 1
		if _, ok := key.open(b); ok {
			t.Fatal("opened though it was changed")
		}
	}
}

// TestRing compares a ring with a map.
func TestRing(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		var ring ring[int]
		model := map[uint32]*int{}
		base := r.Uint32()
		if r.IntN(3) == 0 {
			base = -uint32(r.IntN(50)) // so that the TSNs wrap around
		}
		for step := range 400 {
			tsn := base + uint32(r.IntN(1+step/2))
			if r.IntN(3) == 0 {
				for k := range model {
					ring.remove(k)
					delete(model, k)
					break
				}
			} else if model[tsn] == nil {
				v := step
				model[tsn] = &v
				ring.put(tsn, &v)
			}
			for tsn := base - 3; tsn != base+250; tsn++ {
				if ring.get(tsn) != model[tsn] {
					t.Fatalf("step %d: TSN %d", step, tsn)
				}
			}
			if ring.count != len(model) || len(ring.slots) > 512 {
				t.Fatal(ring.count, len(model), len(ring.slots))
			}
		}
	}
}

// TestTSNMap compares the record of received TSNs with a map.
func TestTSNMap(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 30 {
		var in inbound
		base := -uint32(r.IntN(300))
		in.begin(base)
		model := map[uint32]bool{}
		cum := base
		for range 500 {
			tsn := base + 1 + uint32(r.IntN(400))
			if in.has(tsn) != (model[tsn] || !before(cum, tsn)) {
				t.Fatalf("has(%d) is %v", tsn, in.has(tsn))
			}
			if !in.has(tsn) {
				in.add(tsn)
				model[tsn] = true
			}
			for model[cum+1] {
				cum++
			}
			missing, n := 0, uint32(0)
			for tsn := cum + 1; tsn != in.highest+1; tsn++ {
				missing += b2i(!model[tsn])
			}
			for tsn := cum + 1; ; n++ {
				start, end, ok := in.nextRunIfAny(tsn)
				if !ok {
					break
				}
				for ; tsn != start; tsn++ {
					if model[tsn] {
						t.Fatalf("TSN %d is in no run", tsn)
					}
				}
				for ; tsn != end+1; tsn++ {
					if !model[tsn] {
						t.Fatalf("TSN %d is in a run", tsn)
					}
				}
			}
			if in.cum != cum || in.missing() != missing {
				t.Fatalf("cumulative %d, wanted %d; missing %d, wanted %d", in.cum, cum, in.missing(), missing)
			}
		}
	}
}

// nextRunIfAny is nextRun, which must not be called if nothing has arrived out of order.
func (in *inbound) nextRunIfAny(tsn uint32) (start, end uint32, ok bool) {
	if in.cum == in.highest {
		return 0, 0, false
	}
	return in.nextRun(tsn)
}

func TestParsePacketShort(t *testing.T) {
	b := header{1, 2, 3}.append(nil)
	b = append(b, peerChunk(chunkCookieAck, 0, "")...)
	putChecksum(b)
	for n := range b {
		if _, _, ok := parsePacket(bytes.Clone(b[:n])); ok {
			t.Errorf("%d bytes are a packet", n)
		}
	}
	if h, chunks, ok := parsePacket(b); !ok || h != (header{1, 2, 3}) || len(chunks) != 4 {
		t.Error(h, chunks, ok)
	}
}
