//go:build kernel

package netns

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// startCapture captures the packets on device eth0 of the host until stopCapture is called.
func startCapture(t *testing.T, h *Host) *wire.Capture {
	t.Helper()
	var c *wire.Capture
	h.Do(t, func() {
		var err error
		if c, err = wire.StartCapture("eth0"); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { c.Stop() })
	return c
}

// stopCapture waits until n associations have ended and returns the captured packets. If the test
// fails, it stores them in the folder $OUT.
func stopCapture(t *testing.T, c *wire.Capture, n int) []wire.Frame {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	if err := c.Await(ctx, func(f wire.Frame) bool {
		if wire.EndsAssociation(f) {
			n--
		}
		return n <= 0
	}); err != nil {
		t.Errorf("end of %d associations: %v", n, err)
	}
	frames, err := c.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			keepCapture(t, frames)
		}
	})
	return frames
}

func keepCapture(t *testing.T, frames []wire.Frame) {
	name := filepath.Join(os.Getenv("OUT"), strings.ReplaceAll(t.Name(), "/", "-")+".pcap")
	f, err := os.Create(name)
	if err != nil {
		t.Logf("the capture is lost: %v", err)
		return
	}
	defer f.Close()
	if err := wire.WritePcap(f, frames); err != nil {
		t.Logf("the capture is lost: %v", err)
		return
	}
	t.Logf("the capture is in %s", name)
}

// checkCapture checks that the capture has exactly one association, without defects.
func checkCapture(t *testing.T, frames []wire.Frame, o wire.Options) *wire.Association {
	t.Helper()
	all, err := wire.Check(frames, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 1 {
		t.Fatalf("%d associations among %d frames, want 1", len(all), len(frames))
	}
	a := all[0]
	t.Logf("\n%s", a.Summary())
	for _, d := range a.Defects {
		t.Errorf("defect: %v", d)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("\n%s", a.Dump())
		}
	})
	return a
}
