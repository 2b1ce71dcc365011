//go:build kernel

package sctpdtls

import (
	"bytes"
	"sync"
	"testing"
)

// largeKernelPair is both ends of a connection whose messages may have so many bytes.
func largeKernelPair(t *testing.T, size int) *testPair {
	t.Helper()
	client, server := clientConfig(), serverConfig()
	takesLarge(size)(client, server)
	return kernelPairOf(t, client, server)
}

// Large messages cross the kernel whole, both ways at once on several streams, while keys change.
func TestKernelLargeMessages(t *testing.T) {
	const largest = 1 << 20
	p := largeKernelPair(t, largest)
	sizes := []int{1, 16384, 16385, 65535, 65537, 300_000, largest - 1, largest}
	var all sync.WaitGroup
	for _, c := range []*Conn{p.client, p.server} {
		if s := c.ConnectionState(); s.MaxRead != largest || s.MaxWrite != largest {
			t.Errorf("may read %d and write %d", s.MaxRead, s.MaxWrite)
		}
		for id := range uint16(2) {
			s := c.Stream(id)
			all.Go(func() {
				for _, n := range sizes {
					if err := s.WriteMessage(cut(id, n), MessageInfo{PPID: 47}); err != nil {
						t.Errorf("stream %d: writing %d bytes: %v", id, n, err)
						return
					}
				}
			})
			all.Go(func() {
				for _, n := range sizes {
					data, info, err := readWhole(s)
					if err != nil || info.PPID != 47 || !bytes.Equal(data, cut(id, n)) {
						t.Errorf("stream %d: %d bytes came as %d with %+v: %v", id, n, len(data), info, err)
						return
					}
				}
			})
		}
		if err := c.KeyUpdate(t.Context(), UpdateRequested); err != nil {
			t.Error(err)
		}
	}
	all.Wait()
	p.closeBoth()
}
