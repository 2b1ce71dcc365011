//go:build kernel

package sctpdtls

import "testing"

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
			all := make([]*Conn, 0, 2*(pairs+1))
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
			}).check(t)
			for _, c := range all {
				c.Abort()
			}
		})
	}
}
