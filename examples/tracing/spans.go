package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// spans makes spans of the events of a connection that Trace reports: one of the handshake, and one
// for each later change of keys, linked to that of the handshake, which is long over by then.
type spans struct {
	tracer trace.Tracer

	mu        sync.Mutex // guards the following: calls for one connection may be concurrent
	handshake trace.Span
	done      bool       // the handshake is
	rekey     trace.Span // nil if none is going on
}

// dial is [sctpdtls.DialContext] with spans, the handshake's a child of the one in ctx. The
// Config's Trace is replaced.
func dial(ctx context.Context, tracer trace.Tracer, address string,
	config *sctpdtls.Config) (*sctpdtls.Conn, error) {
	s := &spans{tracer: tracer}
	ctx, s.handshake = tracer.Start(ctx, "dtls.handshake", trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("network.transport", "sctp"),
			attribute.String("server.address", address),
		))
	defer s.handshake.End()
	own := *config
	own.Trace = s.trace()
	conn, err := sctpdtls.DialContext(ctx, "sctp", address, &own)
	if err != nil { // before or in the handshake
		s.handshake.RecordError(err)
		s.handshake.SetStatus(codes.Error, err.Error())
	}
	return conn, err
}

func (s *spans) trace() *sctpdtls.Trace {
	return &sctpdtls.Trace{
		HandshakeDone: s.handshakeDone,
		Alert:         func(_ *sctpdtls.Conn, a *sctpdtls.AlertError) { s.alert(a) },
		KeysChanged:   func(_ *sctpdtls.Conn, epoch uint64) { s.keysChanged(epoch) },
		AuthKey: func(_ *sctpdtls.Conn, id uint16, what sctpdtls.AuthKeyChange) {
			s.authKey(id, what)
		},
	}
}

func (s *spans) handshakeDone(_ net.Addr, state sctpdtls.ConnectionState, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done = true
	if err != nil {
		return // dial tells
	}
	s.handshake.SetAttributes(
		attribute.String("tls.protocol.name", "dtls"),
		attribute.String("tls.protocol.version",
			map[uint16]string{sctpdtls.VersionDTLS12: "1.2", sctpdtls.VersionDTLS13: "1.3"}[state.Version]),
		attribute.String("tls.cipher", sctpdtls.CipherSuiteName(state.CipherSuite)),
		attribute.String("tls.curve", state.CurveID.String()),
		attribute.Bool("tls.resumed", state.DidResume),
		attribute.Int("sctp.auth_key", int(state.AuthKeyID)),
		attribute.Int("sctp.streams", int(state.OutStreams)),
	)
	if len(state.PeerCertificates) > 0 {
		s.handshake.SetAttributes(attribute.String("tls.server.subject",
			state.PeerCertificates[0].Subject.String()))
	}
}

// alert comes before the handshake's end, or the connection's.
func (s *spans) alert(a *sctpdtls.AlertError) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handshake.AddEvent("alert", trace.WithAttributes(attribute.String("tls.alert", a.Alert.String()),
		attribute.Bool("tls.alert.local", a.Local)))
	if s.rekey != nil {
		s.endRekey(errors.New(a.Alert.String()))
	}
}

// authKey begins and ends the span of a renegotiation in DTLS 1.2: it has a key of SCTP-AUTH of its
// own.
func (s *spans) authKey(id uint16, what sctpdtls.AuthKeyChange) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.done && what == sctpdtls.AuthKeyInstalled {
		s.startRekey()
	}
	span := s.handshake
	if s.rekey != nil {
		span = s.rekey
	}
	span.AddEvent(fmt.Sprintf("SCTP-AUTH key %v", what),
		trace.WithAttributes(attribute.Int("sctp.auth_key", int(id))))
	if s.rekey != nil && what == sctpdtls.AuthKeyDeleted {
		s.endRekey(nil)
	}
}

// keysChanged is the only notification of a KeyUpdate in DTLS 1.3.
func (s *spans) keysChanged(epoch uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.done {
		return
	}
	alone := s.rekey == nil
	if alone {
		s.startRekey()
	}
	s.rekey.SetAttributes(attribute.Int64("dtls.epoch", int64(epoch)))
	if alone {
		s.endRekey(nil)
	}
}

// startRekey begins a trace of its own: whose request brought the keys about is not known.
func (s *spans) startRekey() {
	_, s.rekey = s.tracer.Start(context.Background(), "dtls.rekey",
		trace.WithLinks(trace.Link{SpanContext: s.handshake.SpanContext()}))
}

func (s *spans) endRekey(err error) {
	if err != nil {
		s.rekey.SetStatus(codes.Error, err.Error())
	}
	s.rekey.End()
	s.rekey = nil
}
