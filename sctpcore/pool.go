package sctpcore

import "sync"

// Buffered data is stored in chunks of a few sizes from pools, so that sending and receiving a
// message does not allocate once similar ones have been processed. All associations share the
// pools, and an idle association keeps nothing. The sizes are for small messages, for a packet of
// 1,500 bytes, and for larger packets.
var storageSizes = [...]int{64, 128, 512, 1536, 9216, 65536}

type pool[T any] struct{ free [len(storageSizes)]sync.Pool }

// get returns an item with storage for n bytes, at most 65,536, from the pool or from fresh.
func (p *pool[T]) get(n int, fresh func(storage []byte) *T) *T {
	for i, size := range storageSizes {
		if n <= size {
			if t, _ := p.free[i].Get().(*T); t != nil {
				return t
			}
			return fresh(make([]byte, 0, size))
		}
	}
	panic("sctpcore: a chunk is longer than 65,536 bytes")
}

// put returns an item, whose storage has the given capacity, to the pool.
func (p *pool[T]) put(t *T, capacity int) {
	for i, size := range storageSizes {
		if capacity == size {
			p.free[i].Put(t)
		}
	}
}

// A ring stores chunks by TSN. Its capacity doubles when the TSNs are too far apart.
type ring[T any] struct {
	slots     []*T // for the TSNs from low to high; the length is a power of two
	low, high uint32
	count     int
}

const minRing = 16

func (r *ring[T]) slot(tsn uint32) **T { return &r.slots[tsn&uint32(len(r.slots)-1)] }

func (r *ring[T]) get(tsn uint32) *T {
	if r.count == 0 || before(tsn, r.low) || before(r.high, tsn) {
		return nil
	}
	return *r.slot(tsn)
}

// put adds an item under an unused TSN.
func (r *ring[T]) put(tsn uint32, t *T) {
	if r.count == 0 {
		r.low, r.high = tsn, tsn
	}
	if r.span(tsn) > len(r.slots) {
		r.grow(tsn)
	}
	if before(tsn, r.low) {
		r.low = tsn
	} else if before(r.high, tsn) {
		r.high = tsn
	}
	*r.slot(tsn) = t
	r.count++
}

// span returns the number of TSNs from the lowest to the highest, including tsn.
func (r *ring[T]) span(tsn uint32) int {
	switch {
	case before(tsn, r.low):
		return int(r.high-tsn) + 1
	case before(r.high, tsn):
		return int(tsn-r.low) + 1
	}
	return int(r.high-r.low) + 1
}

// grow makes room for tsn. It first corrects low and high, which may be further apart than
// necessary.
func (r *ring[T]) grow(tsn uint32) {
	if r.count > 0 {
		for *r.slot(r.low) == nil {
			r.low++
		}
		for *r.slot(r.high) == nil {
			r.high--
		}
	}
	n := max(len(r.slots), minRing)
	for n < r.span(tsn) {
		n *= 2
	}
	if n == len(r.slots) {
		return
	}
	old := *r
	r.slots = make([]*T, n)
	for i := old.low; old.count > 0 && !before(old.high, i); i++ {
		*r.slot(i) = *old.slot(i)
	}
}

// remove removes an item. It releases the memory of a large ring that has become empty.
func (r *ring[T]) remove(tsn uint32) {
	*r.slot(tsn) = nil
	if r.count--; r.count == 0 && len(r.slots) > 4*minRing {
		r.slots = nil
	}
}
