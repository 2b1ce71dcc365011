package main

import (
	"context"
	"net"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A session is a [sctpdtls.Conn], or a substitute in a test.
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

// A listener is a [sctpdtls.Listener], or a substitute in a test.
type listener interface {
	accept(ctx context.Context) (session, error)
	Addr() net.Addr
	Close() error
}

type (
	// local, if not empty, is the address to connect from.
	dialFunc func(
		ctx context.Context, network, local, address string, config *sctpdtls.Config,
	) (session, error)
	listenFunc func(network, address string, config *sctpdtls.Config) (listener, error)
)

func dialSCTP(
	ctx context.Context, network, local, address string, config *sctpdtls.Config,
) (session, error) {
	d := sctpdtls.Dialer{Config: config}
	if local != "" {
		var err error
		if d.LocalAddr, err = sctpdtls.ResolveAddr(ctx, "sctp", local); err != nil {
			return nil, command.Usagef("-local: %w", err)
		}
	}
	if network == plain {
		return dialPlain(ctx, d.LocalAddr, address, &config.SCTP)
	}
	c, err := d.DialConn(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, nil
}

func listenSCTP(network, address string, config *sctpdtls.Config) (listener, error) {
	if network == plain {
		return listenPlain(address, &config.SCTP)
	}
	l, err := sctpdtls.Listen(network, address, config)
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
