//go:build !kernel

package diameter

import (
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
)

// TestMain checks that the tests leave no goroutines and no file descriptors behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
