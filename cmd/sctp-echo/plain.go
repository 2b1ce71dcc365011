package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// plain is the network of associations without DTLS and SCTP-AUTH, which are used in the same way,
// to measure the difference.
const plain = "plain SCTP"

// A plainSession is an association without DTLS.
type plainSession struct {
	*sctpsock.Socket
	reader *stream.Reader
}

func newPlainSession(s *sctpsock.Socket) session {
	p := &plainSession{Socket: s}
	p.reader = stream.NewReader(p)
	return p
}

func (s *plainSession) ReadMessage(b []byte) (int, sctpdtls.MessageInfo, error) {
	for {
		m, ev, err := s.reader.Next(true)
		if err != nil {
			return 0, sctpdtls.MessageInfo{}, err
		}
		if ev != nil {
			continue // Next reports the end
		}
		info := sctpdtls.MessageInfo{
			Stream: m.Info.Stream, PPID: m.Info.PPID, Unordered: m.Info.Unordered, Length: len(m.Data),
		}
		if len(m.Data) > len(b) {
			return 0, info, io.ErrShortBuffer
		}
		return copy(b, m.Data), info, nil
	}
}

func (s *plainSession) WriteMessage(b []byte, info sctpdtls.MessageInfo) error {
	return s.Send(b, stream.Info{Stream: info.Stream, PPID: info.PPID, Unordered: info.Unordered})
}

func (s *plainSession) ConnectionState() (state sctpdtls.ConnectionState) {
	state.OutStreams, state.InStreams = s.Streams()
	state.MaxRead, state.MaxWrite = sctpdtls.MaxMessageSize, sctpdtls.MaxMessageSize
	return state
}

func (s *plainSession) LocalAddr() net.Addr  { return sctpsock.Addr(s.LocalAddrs()) }
func (s *plainSession) RemoteAddr() net.Addr { return sctpsock.Addr(s.RemoteAddrs()) }

// Close waits until the peer has acknowledged everything, like that of a sctpdtls.Conn. No other
// goroutine may read.
func (s *plainSession) Close() error {
	s.SetReadDeadline(time.Now().Add(5 * time.Second)) // sctpdtls.Config.CloseTimeout
	err := s.Shutdown()
	for err == nil {
		_, _, err = s.reader.Next(true)
	}
	if err == io.EOF || errors.Is(err, net.ErrClosed) {
		err = nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.Join(err, s.Abort())
	}
	return errors.Join(err, s.Socket.Close())
}

func dialPlain(
	ctx context.Context, local *sctpdtls.Addr, address string, o *stream.Options,
) (session, error) {
	remote, err := sctpdtls.ResolveAddr(ctx, "sctp", address)
	if err != nil {
		return nil, err
	}
	s, err := sctpsock.Dial(ctx, addrPorts(local), addrPorts(remote), &sctpsock.Options{Options: *o})
	if err != nil {
		return nil, err
	}
	return newPlainSession(s), nil
}

func listenPlain(address string, o *stream.Options) (listener, error) {
	a, err := sctpdtls.ResolveAddr(context.Background(), "sctp", address)
	if err != nil {
		return nil, err
	}
	l, err := sctpsock.Listen(addrPorts(a), &sctpsock.Options{Options: *o})
	if err != nil {
		return nil, err
	}
	return plainListener{l}, nil
}

type plainListener struct{ *sctpsock.Listener }

func (l plainListener) accept(ctx context.Context) (session, error) {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	s, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return newPlainSession(s), nil
}

func (l plainListener) Addr() net.Addr { return sctpsock.Addr(l.Addrs()) }

func addrPorts(a *sctpdtls.Addr) (list []netip.AddrPort) {
	if a == nil {
		return nil
	}
	port := uint16(a.Port)
	for _, ip := range a.IPAddrs {
		addr, _ := netip.AddrFromSlice(ip.IP)
		list = append(list, netip.AddrPortFrom(addr.Unmap().WithZone(ip.Zone), port))
	}
	if len(list) == 0 { // all addresses, of the families that the host supports
		list = []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, port)}
	}
	return list
}
