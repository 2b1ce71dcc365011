package sctpsock

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Pause waits for d, to some microseconds. time.Sleep waits for at least a millisecond
// when the program has nothing else to do, which is as long as a handshake takes.
// For longer times it is time.Sleep.
func Pause(d time.Duration) {
	if d <= 0 || d >= 2*time.Millisecond || pause(d) != nil {
		time.Sleep(d)
	}
}

// pause waits for a timer in the poller, which gives the processor to others meanwhile.
func pause(d time.Duration) error {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return err
	}
	timer := os.NewFile(uintptr(fd), "timer")
	defer timer.Close()
	if err := unix.TimerfdSettime(fd, 0, &unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())},
		nil); err != nil {
		return err
	}
	_, err = timer.Read(make([]byte, 8))
	return err
}
