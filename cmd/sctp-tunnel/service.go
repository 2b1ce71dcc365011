package main

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/credential"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/status"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A service is a running service.
type service struct {
	settings atomic.Pointer[settings]       // for the next handshake
	engine   atomic.Pointer[tunnel.Service] // the one that runs now

	cancel context.CancelFunc
	done   chan struct{} // closed when it has ended
}

// settings are what can change while a service runs: everything except the fields of the engine.
type settings struct {
	config.Service
	source *credential.Source
}

// newSettings loads the files of a service.
func newSettings(c config.Service) (*settings, error) {
	source, err := credential.Open(files(c))
	if err != nil {
		return nil, fmt.Errorf("service %q: %w", c.Name, err)
	}
	return &settings{c, source}, nil
}

func files(c config.Service) credential.Files {
	return credential.Files{Cert: c.Cert, Key: c.Key, CA: c.CA, CRL: c.CRL, PSK: c.PSK,
		Server: c.Role == tunnel.Server}
}

// tls returns the configuration for the next handshake.
func (s *settings) tls() *sctpdtls.Config {
	c := &sctpdtls.Config{
		ServerName: s.ServerName,
		MinVersion: s.MinVersion, MaxVersion: s.MaxVersion,
		LegacyLabel: s.Label == "legacy", DraftLabel: s.Label == "draft",
	}
	s.source.Apply(c)
	return c
}

// allow says whether a peer may use the service.
func (s *settings) allow(state sctpdtls.ConnectionState) error {
	if err := s.source.Revoked(state); err != nil {
		return err
	}
	return s.Policy.Allow(state)
}

// revoked returns an error if a connected peer may no longer use the service, because it is on a
// revocation list or no rule matches it. An outdated list is not a reason to end associations.
func (s *settings) revoked(state sctpdtls.ConnectionState) error {
	if err, ok := errtype.As[*credential.RevokedError](s.source.Revoked(state)); ok && err.Listed {
		return err
	}
	return s.Policy.Allow(state)
}

// sameEngine reports whether a service can continue with other settings.
func sameEngine(a, b config.Service) bool {
	only := func(c config.Service) config.Service {
		return config.Service{Name: c.Name, Role: c.Role, Listen: c.Listen, Target: c.Target,
			Source:   c.Source,
			Redirect: c.Redirect, AlwaysListen: c.AlwaysListen, PeerSource: c.PeerSource,
			PPIDs: c.PPIDs, Limits: c.Limits}
	}
	return reflect.DeepEqual(only(a), only(b))
}

// newEngine creates the engine of a service.
func (s *service) newEngine(v *supervisor) *tunnel.Service {
	c := s.settings.Load().Service
	e := &tunnel.Service{
		Name: c.Name, Role: c.Role, Listen: c.Listen, Target: c.Target, Source: c.Source,
		Redirect: c.Redirect, AlwaysListen: c.AlwaysListen, PeerSource: c.PeerSource,
		PPIDs: c.PPIDs, Limits: c.Limits,
		TLS: func() *sctpdtls.Config {
			config := s.settings.Load().tls()
			config.KeyLogWriter = v.keyLog
			return config
		},
		Allow:    func(state sctpdtls.ConnectionState) error { return s.settings.Load().allow(state) },
		Log:      v.log,
		Observer: v.metrics,
	}
	if c.Role == tunnel.Server {
		e.Route = func(state sctpdtls.ConnectionState) string {
			return s.settings.Load().Policy.Route(state)
		}
	}
	return e
}

// start runs a service until ctx is done. If it fails, it is restarted after a while; the error is
// sent to failed if someone receives from that.
func (v *supervisor) start(ctx context.Context, first *settings) *service {
	s := &service{done: make(chan struct{})}
	s.settings.Store(first)
	s.engine.Store(s.newEngine(v))
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		defer s.cancel()
		for wait := time.Second; ; wait = min(2*wait, time.Minute) {
			err := v.serve(s.engine.Load(), ctx)
			if ctx.Err() != nil {
				return
			}
			select {
			case v.failed <- fmt.Errorf("service %q: %w", first.Name, err):
			default:
			}
			v.log.Error("service failed, and is restarted", "service", first.Name, "err",
				legible.Text(fmt.Sprint(err)), "in", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			s.engine.Store(s.newEngine(v))
		}
	}()
	return s
}

// running returns what the status port shows.
func (s *service) running() status.Running {
	c := s.settings.Load()
	return status.Running{
		Name: c.Name, Role: c.Role.String(), Listen: c.Listen, Target: c.Target,
		Ready:        func() error { return s.engine.Load().Ready() },
		Associations: func() []*tunnel.Association { return s.engine.Load().Associations() },
		Expires:      c.source.Expires,
	}
}

// revoke ends the associations of peers that may no longer use the service.
func (s *service) revoke() {
	now := s.settings.Load()
	for _, a := range s.engine.Load().Associations() {
		if err := now.revoked(a.Now()); err != nil {
			a.Revoke(err)
		}
	}
}
