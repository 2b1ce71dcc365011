//go:build !kernel

package sctpdtls

import (
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
)

// childProcess, if not nil, does its work if this program runs as the child of a test, and reports
// whether it did.
var childProcess func() bool

func TestMain(m *testing.M) {
	if childProcess != nil && childProcess() {
		return
	}
	os.Exit(leaktest.Run(m))
}
