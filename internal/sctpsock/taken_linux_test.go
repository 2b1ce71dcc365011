package sctpsock

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Send that got the association's last error may record it later than Recv has seen that there is
// an end, and no error left. Recv reports that error all the same: a peer that does not answer is
// not one that sent an ABORT.
func TestSendTakesLastError(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.ETIMEDOUT, syscall.ECONNRESET} {
		for _, late := range []time.Duration{-1, time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				s := &Socket{lost: &stream.EndError{Cause: 7, Err: syscall.ECONNRESET}}
				record := func() { s.sendError(errno, 0, 0) }
				if late < 0 {
					record()
				} else {
					time.AfterFunc(late, record)
				}
				var end *stream.EndError
				if err := s.ending(0); !errors.As(err, &end) || end.Err != errno || end.Cause != 7 {
					t.Errorf("late %v: Recv reports %v, want %v", late, err, errno)
				}
			})
		}
	}
}

// If the error is gone, Recv does not wait for it for ever.
func TestLastErrorIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Socket{lost: &stream.EndError{Err: syscall.ECONNRESET}}
		if err := s.ending(0); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Recv reports %v", err)
		}
	})
}
