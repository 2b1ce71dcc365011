package main

import (
	"os"
	"syscall"
)

func thisMachine() machine {
	m := machine{system: "Linux", root: os.DirFS("/"), socket: func(family int) error {
		fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, syscall.IPPROTO_SCTP)
		if err == nil {
			syscall.Close(fd)
		}
		return err
	}}
	m.release = m.read("proc/sys/kernel/osrelease")
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		m.files = limit.Cur
	}
	return m
}
