package diameter

import (
	"context"
	"net"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Methods of a nil *Conn or *Listener, as a failed Dial or Listen returns it, and of a zero one
// return syscall.EINVAL, as those of package net do. The methods of the embedded types would panic,
// so each of them stands here.

func (c *Conn) ok() bool { return c != nil && c.messages != nil }

// Close is that of [sctpdtls.Conn].
func (c *Conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.Conn.Close()
}

// LocalAddr is that of [sctpdtls.Conn].
func (c *Conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.Conn.LocalAddr()
}

// RemoteAddr is that of [sctpdtls.Conn].
func (c *Conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.Conn.RemoteAddr()
}

// SetDeadline is that of [sctpdtls.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline is that of [sctpdtls.Conn].
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.Conn.SetReadDeadline(t)
}

// SetWriteDeadline is that of [sctpdtls.Conn].
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.Conn.SetWriteDeadline(t)
}

func (l *Listener) ok() bool { return l != nil && l.Listener != nil }

// AcceptConn is that of [sctpdtls.Listener].
func (l *Listener) AcceptConn(ctx context.Context) (*sctpdtls.Conn, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	return l.Listener.AcceptConn(ctx)
}

// Addr is that of [sctpdtls.Listener].
func (l *Listener) Addr() net.Addr {
	if !l.ok() {
		return nil
	}
	return l.Listener.Addr()
}

// SetDeadline is that of [sctpdtls.Listener].
func (l *Listener) SetDeadline(t time.Time) error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.Listener.SetDeadline(t)
}

// Close is that of [sctpdtls.Listener].
func (l *Listener) Close() error {
	if !l.ok() {
		return syscall.EINVAL
	}
	return l.Listener.Close()
}
