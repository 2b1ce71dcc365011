//go:build !kernel

package doctor

import (
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
)

// The tests leave neither goroutines nor descriptors behind.
func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
