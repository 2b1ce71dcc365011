package relay_test

import (
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }
