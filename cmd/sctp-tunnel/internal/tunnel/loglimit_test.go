package tunnel

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A flood of refusals writes a burst of lines, then few, which say how many are missing.
func TestRefusalsAreLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		r := newRun(&Service{Role: Server, Log: slog.New(slog.NewTextHandler(&log, nil))})
		flood := func(n int) (lines int) {
			log.Reset()
			for range n {
				r.refuse(nil, Handshake, errors.New("x"))
			}
			return strings.Count(log.String(), "\n")
		}
		if n := flood(logBurst); n != logBurst {
			t.Errorf("%d lines of %d", n, logBurst)
		}
		if n := flood(1000); n != 0 {
			t.Errorf("%d lines after a burst", n)
		}
		time.Sleep(logInterval)
		if n := flood(1000); n != 1 || !strings.Contains(log.String(), " omitted=1000\n") {
			t.Errorf("%d lines after an interval:\n%s", n, log.String())
		}
		time.Sleep(logInterval * 3 / 2)
		flood(1)
		time.Sleep(logInterval / 2) // the rest of an interval counts
		if n := flood(2); n != 1 {
			t.Errorf("%d lines after another interval", n)
		}
		time.Sleep(time.Hour)
		if n := flood(1000); n != logBurst {
			t.Errorf("%d lines after an hour", n)
		}
	})
}
