package doctor

import (
	"os"
	"syscall"
)

// ThisMachine returns the machine that this program runs on.
func ThisMachine() Machine {
	m := Machine{System: "Linux", Root: os.DirFS("/"), Socket: func(family int) error {
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, syscall.IPPROTO_SCTP)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	}}
	m.Release = m.read("proc/sys/kernel/osrelease")
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.Files = limit.Cur
	}
	return m
}
