package main

import (
	"context"
	"net"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A session is a [sctpdtls.Conn], or what stands for it in a test.
type session interface {
	ReadMessage(b []byte) (int, sctpdtls.MessageInfo, error)
	WriteMessage(b []byte, info sctpdtls.MessageInfo) error
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	ConnectionState() sctpdtls.ConnectionState
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	Close() error
}

// A listener is a [sctpdtls.Listener], or what stands for it in a test.
type listener interface {
	accept(ctx context.Context) (session, error)
	Addr() net.Addr
	Close() error
}

type (
	dialFunc   func(ctx context.Context, address string, config *sctpdtls.Config) (session, error)
	listenFunc func(address string, config *sctpdtls.Config) (listener, error)
)

func dialSCTP(ctx context.Context, address string, config *sctpdtls.Config) (session, error) {
	c, err := sctpdtls.DialContext(ctx, "sctp", address, config)
	if err != nil {
		return nil, err // not c: a nil *Conn in a session would not be nil
	}
	return c, nil
}

func listenSCTP(address string, config *sctpdtls.Config) (listener, error) {
	l, err := sctpdtls.Listen("sctp", address, config)
	if err != nil {
		return nil, err
	}
	return sctpListener{l}, nil
}

type sctpListener struct{ *sctpdtls.Listener }

func (l sctpListener) accept(ctx context.Context) (session, error) {
	c, err := l.AcceptConn(ctx)
	if err != nil {
		return nil, err
	}
	return c, nil
}
