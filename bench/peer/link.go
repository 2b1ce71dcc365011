package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/bench/certs"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A link is an association, with or without DTLS.
type link interface {
	send(b []byte, stream uint16, ppid uint32) error
	// sender returns a function that sends b n times together, at most most times, on the streams in
	// turn.
	sender(b []byte, most, streams int, ppid uint32) func(n int) error
	receive(b []byte) (n int, stream uint16, ppid uint32, err error)
	close() error
}

type dtlsLink struct{ *sctpdtls.Conn }

func (l dtlsLink) send(b []byte, stream uint16, ppid uint32) error {
	return l.WriteMessage(b, sctpdtls.MessageInfo{Stream: stream, PPID: ppid})
}

func (l dtlsLink) sender(b []byte, most, streams int, ppid uint32) func(n int) error {
	messages := make([]sctpdtls.Message, most)
	for i := range messages {
		messages[i] = sctpdtls.Message{Data: b,
			MessageInfo: sctpdtls.MessageInfo{Stream: uint16(i % streams), PPID: ppid}}
	}
	return func(n int) error {
		_, err := l.WriteMessages(messages[:n])
		return err
	}
}

func (l dtlsLink) receive(b []byte) (int, uint16, uint32, error) {
	n, info, err := l.ReadMessage(b)
	return n, info.Stream, info.PPID, err
}

func (l dtlsLink) close() error { return l.Close() }

// A socketLink is plain SCTP, used in the same way as package sctpdtls does.
type socketLink struct {
	*sctpsock.Socket
	buffer *buffer
}

// A buffer is lent to the socket when there may be something to read.
type buffer []byte

func (b *buffer) Get() []byte { return *b }
func (b *buffer) Put()        {}

func newSocketLink(s *sctpsock.Socket) (socketLink, error) {
	return socketLink{s, new(buffer)}, s.Settled() // as DTLS does after its handshake
}

func (l socketLink) send(b []byte, id uint16, ppid uint32) error {
	return l.Send(b, stream.Info{Stream: id, PPID: ppid})
}

func (l socketLink) sender(b []byte, most, streams int, ppid uint32) func(n int) error {
	messages, infos := make([][]byte, most), make([]stream.Info, most)
	for i := range messages {
		messages[i], infos[i] = b, stream.Info{Stream: uint16(i % streams), PPID: ppid}
	}
	return func(n int) error {
		for sent := 0; sent < n; {
			end := min(n, sent+stream.MaxBatch)
			more, _ := l.TrySendAll(messages[sent:end], infos[sent:end])
			if sent += more; sent < end {
				if err := l.Send(messages[sent], infos[sent]); err != nil { // blocks
					return err
				}
				sent++
			}
		}
		return nil
	}
}

func (l socketLink) receive(b []byte) (n int, id uint16, ppid uint32, err error) {
	for {
		*l.buffer = b[n:]
		part, err := l.Recv(l.buffer, true)
		if err != nil {
			return 0, 0, 0, err
		}
		if part.Event != nil {
			continue
		}
		n += part.N
		if part.End {
			return n, part.Info.Stream, part.Info.PPID, nil
		}
	}
}

func (l socketLink) close() error { return errors.Join(l.Shutdown(), l.Close()) }

// Options are the options of a peer.
type Options struct {
	Kind         string // "dtls", "auth" or "plain"
	Address      netip.AddrPort
	Folder       string // with the certificates
	Associations int
	Streams      int
	Buffer       int    // size of socket buffers in bytes
	HMAC         int    // 1 for SHA-1, 3 for SHA-256, 0 for the default
	SACKDelay    int    // in milliseconds, -1 for the default
	Version      uint16 // of DTLS
	Hold         bool   // a server does not read
	Resume       bool   // resume sessions, except in the first handshake
}

func (o *Options) sackDelay() time.Duration {
	switch {
	case o.SACKDelay < 0:
		return 0
	case o.SACKDelay == 0:
		return -1
	}
	return time.Duration(o.SACKDelay) * time.Millisecond
}

// hmacs returns the HMAC identifiers to offer, which must include SHA-1.
func (o *Options) hmacs() []uint16 {
	switch o.HMAC {
	case 0:
		return nil
	case hmacSHA1:
		return []uint16{hmacSHA1}
	}
	return []uint16{uint16(o.HMAC), hmacSHA1}
}

const hmacSHA1 = 1

// socket returns the options of plain SCTP, which are those that package sctpdtls sets.
func (o *Options) socket() *sctpsock.Options {
	s := &sctpsock.Options{Options: stream.Options{
		OutStreams: uint16(o.Streams), MaxInStreams: uint16(o.Streams),
		ReadBuffer: o.Buffer, WriteBuffer: o.Buffer, SACKDelay: o.sackDelay(),
	}}
	if o.Kind == "auth" {
		s.AuthChunks, s.HMACs = authchunk.DefaultChunks(), o.hmacs()
	}
	return s
}

func (o *Options) config(own func(*certs.Set) tls.Certificate) (*sctpdtls.Config, error) {
	set, err := certs.Read(o.Folder)
	if err != nil {
		return nil, err
	}
	config := &sctpdtls.Config{
		Certificates: []tls.Certificate{own(set)},
		RootCAs:      set.CA, ClientCAs: set.CA, ServerName: certs.Name,
		ClientAuth: tls.RequireAndVerifyClientCert,
		MinVersion: o.Version, MaxVersion: o.Version,
		CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
		SCTP: sctpdtls.SCTPOptions{
			OutStreams: uint16(o.Streams), MaxInStreams: uint16(o.Streams), SACKDelay: o.sackDelay(),
			ReadBuffer: o.Buffer, WriteBuffer: o.Buffer, Control: o.control,
		},
	}
	if o.Resume {
		config.SessionCache, config.TicketKeys = sctpdtls.NewSessionCache(1), new(sctpdtls.TicketKeys)
	}
	return config, nil
}

// control selects the HMAC, for which SCTPOptions has no field.
func (o *Options) control(_, _ string, c syscall.RawConn) (err error) {
	ids := o.hmacs()
	if ids == nil {
		return nil
	}
	list := struct {
		n   uint32
		ids [2]uint16
	}{n: uint32(len(ids))}
	copy(list.ids[:], ids)
	return errors.Join(c.Control(func(fd uintptr) {
		const hmacIdent = 22
		_, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, fd, unix.IPPROTO_SCTP, hmacIdent,
			uintptr(unsafe.Pointer(&list)), uintptr(4+2*len(ids)), 0)
		if errno != 0 {
			err = errno
		}
	}), err)
}

// dialer returns a function that connects links.
func (o *Options) dialer() (func() (link, error), error) {
	if o.Kind != "dtls" {
		options := o.socket()
		return func() (link, error) {
			s, err := sctpsock.Dial(context.Background(), nil, []netip.AddrPort{o.Address}, options)
			if err != nil {
				return nil, err
			}
			return newSocketLink(s)
		}, nil
	}
	config, err := o.config(func(s *certs.Set) tls.Certificate { return s.Client })
	if err != nil {
		return nil, err
	}
	return func() (link, error) {
		c, err := sctpdtls.Dial("sctp4", o.Address.String(), config)
		return dtlsLink{c}, err
	}, nil
}

// listen returns a function that accepts links.
func (o *Options) listen() (accept func() (link, error), err error) {
	if o.Kind != "dtls" {
		l, err := sctpsock.Listen([]netip.AddrPort{o.Address}, o.socket())
		return func() (link, error) {
			s, err := l.Accept()
			if err != nil {
				return nil, err
			}
			return newSocketLink(s)
		}, err
	}
	config, err := o.config(func(s *certs.Set) tls.Certificate { return s.Server })
	if err != nil {
		return nil, err
	}
	l, err := sctpdtls.Listen("sctp4", o.Address.String(), config)
	return func() (link, error) {
		c, err := l.AcceptConn(context.Background())
		return dtlsLink{c}, err
	}, err
}
