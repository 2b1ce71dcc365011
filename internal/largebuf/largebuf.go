// Package largebuf lends buffers for large messages. A new one would have to be cleared, and
// collected, for each message, which costs about as much as to encrypt it.
package largebuf

import (
	"math/bits"
	"sync"
)

// pools hold buffers by the number of bits of their size. What is not used for a while the garbage
// collector takes.
var pools [bits.UintSize + 1]sync.Pool

// slack is what a new buffer has behind its bytes, so that it is large enough for a record of the
// same message too.
const slack = 256

// Get returns a buffer of n bytes with any content. Its capacity is at most an eighth more, or
// slack.
func Get(n int) []byte {
	pool := &pools[bits.Len(uint(n))]
	if b, _ := pool.Get().(*[]byte); b != nil {
		if c := cap(*b); n <= c && c <= n+max(n/8, slack) {
			return (*b)[:n]
		}
		pool.Put(b) // for one of another size
	}
	return make([]byte, n, n+slack)
}

// Put gives back a buffer of [Get], or another that nobody uses any more.
func Put(b []byte) {
	if cap(b) > 0 {
		lent := b // is allocated here; b would be for each call that has nothing
		pools[bits.Len(uint(cap(b)))].Put(&lent)
	}
}
