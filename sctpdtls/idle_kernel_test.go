//go:build kernel && !race

package sctpdtls

import "testing"

// kernelIdleLimit is idleLimit with the descriptor, what Go's poller keeps of it, and a stack on
// which the goroutine waits in it.
const kernelIdleLimit = idleLimit + 4<<10

// An idle connection with all that its socket takes of this process.
func TestKernelIdle(t *testing.T) {
	for _, version := range versions {
		t.Run(VersionName(version), func(t *testing.T) {
			client, server := clientConfig(), serverConfig()
			client.MinVersion, client.MaxVersion = version, version
			ln, err := Listen("sctp", "127.0.0.1:0", server)
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			const pairs = 100
			all := make([]*Conn, 0, 4*pairs)
			measureIdle(pairs, func() (a, b any) {
				c, err := Dial("sctp", ln.Addr().String(), client)
				if err != nil {
					t.Fatal(err)
				}
				s, err := ln.AcceptConn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, c, s)
				return c, s
			}).check(t, kernelIdleLimit)
			for _, c := range all {
				c.Abort()
			}
		})
	}
}
