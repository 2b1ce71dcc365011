package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/command"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/config"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/sandbox"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/status"
	"github.com/seed-41f70523/dtls-sctp/cmd/sctp-tunnel/internal/tunnel"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// How often to check whether files have changed, and whether a starting service listens.
const (
	lookInterval  = 10 * time.Second
	beginInterval = 10 * time.Millisecond
)

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name:            "run",
		Usage:           "run the services of a configuration file",
		ArgsUsage:       "FILE",
		HideHelpCommand: true,
		Description: `The file is in TOML. “sctp-tunnel config” prints an example with all keys, and
“sctp-tunnel check” checks a file.

Example:
   sctp-tunnel run /etc/sctp-tunnel.toml`,
		Action: func(ctx context.Context, c *cli.Command) error {
			name, conf, err := argConfig(c)
			if err != nil {
				return err
			}
			return p.tunnel(ctx, name, conf)
		},
	}
}

// argConfig reads the configuration file that is the only argument of c.
func argConfig(c *cli.Command) (name string, conf *config.Config, err error) {
	if name, err = command.OnlyArg(c); err != nil {
		return "", nil, err
	}
	if conf, err = config.Read(name); err != nil {
		return "", nil, command.Exit(command.ExitUsage, err)
	}
	return name, conf, nil
}

// A supervisor runs the services of a configuration.
type supervisor struct {
	file    string // the configuration file; empty: the service is from flags
	process config.Process
	log     *slog.Logger
	metrics *status.Metrics
	systemd notifier
	serve   func(*tunnel.Service, context.Context) error
	failed  chan error // errors of services, for begin
	alive   *ticker    // for the watchdog of systemd
	keyLog  io.Writer  // for secrets; may be nil

	mu       sync.Mutex // guards the following
	services map[string]*service
	order    []string // names of services, in the order of the file
}

// tunnel runs services until ctx is done.
func (p *program) tunnel(ctx context.Context, name string, conf *config.Config) error {
	signal.Ignore(syscall.SIGPIPE) // associations must not end with the reader of the logs
	v := &supervisor{
		file: name, process: conf.Process, log: newLog(p.stderr, conf.Process),
		metrics: status.NewMetrics(command.Version()), systemd: newNotifier(), serve: p.serve,
		failed: make(chan error, 1), services: make(map[string]*service),
	}
	all, err := load(conf)
	if err = errors.Join(err, checkUser(conf)); err != nil {
		return command.Exit(command.ExitUsage, err)
	}
	if name := os.Getenv("SSLKEYLOGFILE"); name != "" {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
		if err != nil {
			return command.Usagef("SSLKEYLOGFILE: %w", err)
		}
		defer f.Close()
		v.keyLog = f
		v.log.Warn("secrets are written to a file: anyone who can read it can decrypt all traffic",
			"file", name)
	}
	for _, s := range all {
		for _, err := range s.source.Invalid() {
			v.log.Warn("handshakes fail until a file is replaced", "service", s.Name, "err",
				legible.Text(err.Error()))
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	defer v.stop(stop)
	if conf.Status != "" {
		l, err := status.Listen(conf.Status)
		if err != nil {
			return fmt.Errorf("the status port: %w", err)
		}
		served := make(chan struct{})
		go func() {
			defer close(served)
			status.NewServer(v.metrics, command.Version(), v.running).Serve(l)
		}()
		defer func() {
			l.Close()
			<-served
		}()
	}
	for _, s := range all {
		v.add(ctx, s)
	}
	if err := v.begin(ctx); err != nil || ctx.Err() != nil {
		return err
	}
	if conf.Sandbox {
		if err := v.enterSandbox(conf); err != nil {
			return err
		}
	}
	v.systemd.ready()
	v.log.Info("started", "version", command.Version(), "services", len(all))
	v.watch(ctx, p.hangup)
	return nil
}

// newLog returns the logger that the configuration describes.
func newLog(w io.Writer, c config.Process) *slog.Logger {
	options := &slog.HandlerOptions{}
	var level slog.Level
	if level.UnmarshalText([]byte(c.LogLevel)) == nil { // otherwise level stays Info
		options.Level = level
	}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// load loads the files of all services. The error has a line for each service that fails.
func load(conf *config.Config) (all []*settings, err error) {
	for _, c := range conf.Services {
		s, loadErr := newSettings(c)
		all, err = append(all, s), errors.Join(err, loadErr)
	}
	return all, err
}

// add starts a service.
func (v *supervisor) add(ctx context.Context, s *settings) {
	v.metrics.Service(s.Name)
	one := v.start(ctx, s)
	v.mu.Lock()
	defer v.mu.Unlock()
	v.services[s.Name] = one
	v.order = append(v.order, s.Name)
}

// begin returns when all services listen, except clients, which listen when their target can be
// reached. If a service fails, begin fails.
func (v *supervisor) begin(ctx context.Context) error {
	tick := time.NewTicker(beginInterval)
	defer tick.Stop()
	for _, name := range v.order {
		s := v.services[name]
		for s.engine.Load().Ready() != nil && s.settings.Load().Role == tunnel.Server {
			select {
			case err := <-v.failed:
				return err
			case <-ctx.Done():
				return nil
			case <-tick.C: // no event reports that it listens
			}
		}
	}
	select {
	case err := <-v.failed:
		return err
	default:
		return nil
	}
}

// enterSandbox gives up what the process no longer needs.
func (v *supervisor) enterSandbox(conf *config.Config) error {
	o := sandbox.Options{User: conf.User}
	if v.file != "" {
		o.Read = append(o.Read, v.file)
	}
	if path, ok := strings.CutPrefix(conf.Status, "unix:"); ok {
		o.Remove = append(o.Remove, path)
	}
	for _, c := range conf.Services {
		o.Read = append(o.Read, files(c).Names()...)
		o.LowPorts = o.LowPorts || config.LowPort(c.Listen) || config.LowPort(c.Source)
	}
	r, err := sandbox.Enter(o)
	if err != nil {
		return fmt.Errorf("entering the sandbox: %w (-no-sandbox, or sandbox = false, disables it)",
			err)
	}
	v.log.Info("sandbox", "landlock", r.Landlock, "noNewPrivileges", r.Privileges, "capabilities",
		r.Kept, "uid", r.UID)
	return nil
}

// running returns the services for the status port.
func (v *supervisor) running() (all []status.Running) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range v.order {
		all = append(all, v.services[name].running())
	}
	return all
}

// watch reloads files until ctx is done.
func (v *supervisor) watch(ctx context.Context, hangup <-chan os.Signal) {
	look := newTicker(lookInterval)
	defer look.Stop()
	v.alive = v.systemd.alive()
	defer v.alive.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			v.systemd.reloading()
			v.reload(ctx)
			v.systemd.ready()
		case <-look.C:
			v.reloadFiles(false)
		case <-v.alive.C:
			v.running() // a service that deadlocks also stops this loop, and so the watchdog
			v.systemd.watchdog()
		}
	}
}

// stop ends all services, each within its own limit.
func (v *supervisor) stop(stop func()) {
	v.systemd.stopping()
	stop()
	for _, s := range v.services {
		<-s.done
	}
	v.log.Info("stopped")
}

// reload reloads the configuration and all files. It changes everything or nothing.
func (v *supervisor) reload(ctx context.Context) {
	if v.file == "" {
		v.reloadFiles(true)
		return
	}
	conf, err := config.Read(v.file)
	var all []*settings
	if err == nil {
		all, err = load(conf)
	}
	if err == nil {
		err = v.succeed(all)
	}
	v.metrics.Reloaded(err)
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			v.log.Error("reload failed: the present configuration stays in use", "err",
				legible.Text(strings.TrimSpace(line)))
		}
		return
	}
	if conf.Process != v.process {
		v.log.Warn("settings outside of services change only with a restart", "file", v.file)
	}
	v.change(ctx, all)
	for _, s := range v.services {
		s.revoke()
	}
	v.log.Info("reloaded", "file", v.file, "services", len(all))
}

// succeed returns an error if running services would get certificates or revocation lists that are
// not valid in place of ones that are.
func (v *supervisor) succeed(all []*settings) (err error) {
	for _, next := range all {
		s := v.services[next.Name]
		if s == nil {
			continue
		}
		if bad := next.source.Succeeds(s.settings.Load().source); bad != nil {
			err = errors.Join(err, fmt.Errorf("service %q: %w", next.Name, bad))
		}
	}
	return err
}

// change makes the running services those that are wanted. A service whose addresses and limits
// stay the same keeps its associations.
func (v *supervisor) change(ctx context.Context, all []*settings) {
	wanted := make(map[string]*settings)
	var order []string
	for _, s := range all {
		wanted[s.Name] = s
		order = append(order, s.Name)
	}
	var gone []*service
	v.mu.Lock()
	for name, s := range maps.Clone(v.services) {
		next := wanted[name]
		if next != nil && sameEngine(s.settings.Load().Service, next.Service) {
			s.settings.Store(next)
			delete(wanted, name)
			continue
		}
		s.cancel()
		gone = append(gone, s)
		delete(v.services, name)
	}
	v.order = slices.DeleteFunc(v.order, func(name string) bool { return v.services[name] == nil })
	v.mu.Unlock()
	for _, s := range gone {
		v.await(s.done) // its port may be that of another
	}
	for _, name := range order {
		if s := wanted[name]; s != nil {
			v.add(ctx, s)
		}
	}
	v.mu.Lock()
	v.order = order
	v.mu.Unlock()
}

// await waits for a service to end, which takes as long as its limit for that allows.
func (v *supervisor) await(done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		case <-v.alive.C:
			v.systemd.watchdog()
		}
	}
}

// reloadFiles reloads certificates, keys and revocation lists that have changed.
func (v *supervisor) reloadFiles(asked bool) {
	for _, name := range v.order {
		source := v.services[name].settings.Load().source
		changed, err := source.Reload(asked)
		switch {
		case err != nil:
			v.metrics.Reloaded(err)
			v.log.Error("reload failed: the present certificates stay in use", "service", name, "err",
				legible.Text(err.Error()))
		case changed:
			v.services[name].revoke()
			v.metrics.Reloaded(nil)
			v.log.Info("reloaded", "service", name, "certificateExpires", source.Expires())
		case asked:
			v.log.Info("no change", "service", name)
		}
	}
}
