//go:build go1.26

// Package testrandom makes what a test draws at random repeatable.
package testrandom

import (
	"os"
	"testing"
	"testing/cryptotest"
)

// Set makes all cryptographic randomness depend on seed until the test ends. It reports whether it
// could: Go has a way for it since 1.26.
func Set(t *testing.T, seed uint64) bool {
	// A program whose go.mod names an older release gives functions of crypto its own source.
	t.Setenv("GODEBUG", os.Getenv("GODEBUG")+",cryptocustomrand=0")
	cryptotest.SetGlobalRandom(t, seed)
	return true
}
