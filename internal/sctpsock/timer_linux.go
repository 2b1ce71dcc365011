package sctpsock

import (
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A kernelTimer is a timer of the kernel that the poller watches. While one of Go's timers is
// pending, each wait of a program that is otherwise idle costs the kernel a timer as well, and they
// are no more exact than a millisecond.
type kernelTimer struct {
	file *os.File
	conn syscall.RawConn // of file
}

func newKernelTimer() (*kernelTimer, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_TIMERFD_CREATE, unix.CLOCK_MONOTONIC,
		unix.TFD_NONBLOCK|unix.TFD_CLOEXEC, 0)
	if errno != 0 {
		return nil, errno
	}
	file := os.NewFile(fd, "timer")
	conn, err := file.SyscallConn()
	return &kernelTimer{file, conn}, err
}

// start has the timer run out after d, which must be more than 0.
func (t *kernelTimer) start(d time.Duration) error {
	after := unix.ItimerSpec{Value: unix.NsecToTimespec(d.Nanoseconds())}
	return control(t.conn, func(fd int) error {
		_, _, errno := unix.RawSyscall6(unix.SYS_TIMERFD_SETTIME, uintptr(fd), 0,
			uintptr(unsafe.Pointer(&after)), 0, 0, 0)
		if errno != 0 {
			return errno
		}
		return nil
	})
}

// wait waits until it has run out.
func (t *kernelTimer) wait() {
	t.conn.Read(func(fd uintptr) (done bool) {
		var times [8]byte
		_, _, errno := unix.RawSyscall(unix.SYS_READ, fd, uintptr(unsafe.Pointer(&times)), 8)
		return errno != unix.EAGAIN && errno != unix.EINTR
	})
}
