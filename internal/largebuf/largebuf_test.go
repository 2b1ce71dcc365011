package largebuf

import "testing"

// A buffer has the size that was asked for, and at most an eighth more behind it.
func TestGet(t *testing.T) {
	sizes := []int{1, 16385, 1 << 20, 1<<20 + 1, 1<<20 - 1, 917_505, 1 << 20, 600_000, 8 << 20}
	for _, n := range sizes {
		b := Get(n)
		if len(b) != n || cap(b) > n+max(n/8, slack) {
			t.Errorf("Get(%d) has %d bytes of %d", n, len(b), cap(b))
		}
		for i := range b {
			b[i] = 1
		}
		Put(b)
	}
	Put(nil)
}
