package status

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
)

// Listen listens on "host:port", or on "unix:/path", to which only this user and its group can
// connect. It replaces a socket that a terminated process has left.
func Listen(address string) (net.Listener, error) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return net.Listen("tcp", address)
	}
	l, err := listenUnix(path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	fail := func(why string) (net.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "unix", Err: errors.New(path + why)}
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() != fs.ModeSocket {
		return fail(" exists and is not a socket: use another path")
	}
	c, err := net.Dial("unix", path)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) { // it listens, but perhaps not for us, or has no time
		return fail(" is in use by another process")
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return listenUnix(path)
}

func listenUnix(path string) (net.Listener, error) {
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}
