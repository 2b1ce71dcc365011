//go:build kernel

package netns

import (
	"strconv"
	"strings"
	"testing"
)

// sctpCounters are the kernel's for the host.
func (h *Host) sctpCounters(t *testing.T) map[string]int {
	t.Helper()
	mib := make(map[string]int)
	for line := range strings.Lines(h.Run(t, "cat", "/proc/net/sctp/snmp")) {
		if f := strings.Fields(line); len(f) == 2 {
			mib[f[0]], _ = strconv.Atoi(f[1])
		}
	}
	return mib
}
