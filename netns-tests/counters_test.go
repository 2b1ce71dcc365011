//go:build kernel

package netns

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// sctpCounters are the kernel's for the host.
func (h *Host) sctpCounters(t *testing.T) map[string]int {
	t.Helper()
	mib := make(map[string]int)
	h.Do(t, func() {
		text, err := os.ReadFile("/proc/thread-self/net/sctp/snmp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 2 {
				mib[f[0]], _ = strconv.Atoi(f[1])
			}
		}
	})
	return mib
}
