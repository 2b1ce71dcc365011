package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// What a connection tells, in the order in which it does, and the spans that come of it.
// (netns-tests/users has the program dial.)
func TestSpans(t *testing.T) {
	handshake := func(s *spans) {
		s.authKey(1, sctpdtls.AuthKeyInstalled)
		s.authKey(1, sctpdtls.AuthKeyActive)
		s.keysChanged(1)
		var state sctpdtls.ConnectionState
		state.Version, state.AuthKeyID = sctpdtls.VersionDTLS12, 1
		s.handshakeDone(nil, state, nil)
		s.handshake.End()
		s.authKey(0, sctpdtls.AuthKeyDeleted)
	}
	for _, tt := range []struct {
		name string
		tell func(*spans)
		want []string
	}{
		{"handshake", handshake,
			[]string{"dtls.handshake: tls.protocol.version=1.2 sctp.auth_key=1 events 2 links 0 Unset"}},
		{"KeyUpdate of DTLS 1.3", func(s *spans) {
			handshake(s)
			s.keysChanged(4)
			s.keysChanged(5)
		}, []string{"dtls.rekey: dtls.epoch=4 events 0 links 1 Unset",
			"dtls.rekey: dtls.epoch=5 events 0 links 1 Unset"}},
		{"renegotiation of DTLS 1.2", func(s *spans) {
			handshake(s)
			s.authKey(2, sctpdtls.AuthKeyInstalled)
			s.authKey(2, sctpdtls.AuthKeyActive)
			s.keysChanged(2)
			s.authKey(1, sctpdtls.AuthKeyDeleted)
		}, []string{"dtls.rekey: dtls.epoch=2 events 3 links 1 Unset"}},
		{"alert in a renegotiation", func(s *spans) {
			handshake(s)
			s.authKey(2, sctpdtls.AuthKeyInstalled)
			s.alert(&sctpdtls.AlertError{Alert: 40})
		}, []string{"dtls.rekey: events 1 links 1 Error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			spent := tracetest.NewSpanRecorder()
			s := &spans{tracer: sdk.NewTracerProvider(sdk.WithSpanProcessor(spent)).Tracer("test")}
			_, s.handshake = s.tracer.Start(context.Background(), "dtls.handshake")
			tt.tell(s)
			var got []string
			for _, span := range spent.Ended() {
				var attributes strings.Builder
				for _, a := range span.Attributes() {
					if slices.Contains([]string{"tls.protocol.version", "sctp.auth_key", "dtls.epoch"},
						string(a.Key)) {
						fmt.Fprintf(&attributes, "%s=%s ", a.Key, a.Value.String())
					}
				}
				got = append(got, fmt.Sprintf("%s: %sevents %d links %d %v", span.Name(), &attributes,
					len(span.Events()), len(span.Links()), span.Status().Code))
				for _, link := range span.Links() {
					if !link.SpanContext.Equal(s.handshake.SpanContext()) {
						t.Errorf("%s is not linked to the handshake", span.Name())
					}
				}
			}
			want := tt.want
			if tt.name != "handshake" {
				want = append(
					[]string{"dtls.handshake: tls.protocol.version=1.2 sctp.auth_key=1 events 2 links 0 Unset"},
					want...)
			}
			if !slices.Equal(got, want) {
				t.Errorf("spans are\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}
