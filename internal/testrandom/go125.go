//go:build !go1.26

package testrandom

import "testing"

// Set reports that randomness remains random before Go 1.26.
func Set(*testing.T, uint64) bool { return false }
