package sctpdtls

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// What [Config].Logger is told. Each function returns at once if there is none. A peer chooses how
// many addresses it has, and much of what errors say; no attribute has more than 512 bytes.

func (c *Config) logHandshake(peer net.Addr, state ConnectionState, err error) {
	log := c.Logger
	switch {
	case log == nil:
	case peer == nil:
		log.Warn("cannot accept", "err", err)
	case err != nil:
		log.Warn("handshake failed", "peer", shown(peer), "err", err)
	default:
		log.Info("handshake done", "peer", shown(peer), "version", VersionName(state.Version),
			"suite", CipherSuiteName(state.CipherSuite), "resumed", state.DidResume,
			"outStreams", state.OutStreams, "inStreams", state.InStreams)
	}
}

// shown is how a peer's addresses are logged: a stranger may say that it has thousands.
func shown(peer net.Addr) string {
	const most = 8
	if a, ok := peer.(*Addr); ok && len(a.IPAddrs) > most {
		return fmt.Sprintf("%v and %d more addresses", &Addr{Port: a.Port, IPAddrs: a.IPAddrs[:most]},
			len(a.IPAddrs)-most)
	}
	return peer.String()
}

// log writes a record about the connection.
func (c *Conn) log(level slog.Level, message string, attrs ...any) {
	log := c.config.Logger
	if log == nil || !log.Enabled(context.Background(), level) {
		return
	}
	log.Log(context.Background(), level, message,
		append([]any{"peer", shown(c.RemoteAddr())}, attrs...)...)
}

func (c *Conn) logAlert(a *AlertError) {
	c.log(slog.LevelWarn, "fatal alert", "alert", a.Alert.String(), "local", a.Local, "err", a)
}

func (c *Conn) logEnd(err error) {
	c.log(slog.LevelInfo, "connection ended", "err", err)
}

func (c *Conn) logKeys(epoch uint64) { c.log(slog.LevelDebug, "new keys", "epoch", epoch) }

func (c *Conn) logAuthKey(id uint16, what AuthKeyChange) {
	level := slog.LevelDebug
	if what == AuthKeyNearLimit {
		level = slog.LevelWarn
	}
	c.log(level, "key of SCTP-AUTH", "id", id, "what", what.String())
}

func (o *owner) logEvent(ev Event) {
	if o.config.Logger == nil {
		return
	}
	if _, ends := ev.(AssocChange); !ends {
		skipped, ok := o.logLimit.Allow(time.Duration(now()), logBurst, logInterval)
		if !ok {
			return
		}
		if skipped > 0 {
			o.log(slog.LevelWarn, "events were not logged", "events", skipped)
		}
	}
	switch ev := ev.(type) {
	case AssocChange:
		level := slog.LevelInfo
		if ev.State == AssocAborted || ev.State == AssocLost || ev.State == AssocRestarted {
			level = slog.LevelWarn
		}
		o.log(level, "association", "state", ev.State.String(), "cause", ev.Cause)
	case PeerAddrChange:
		level := slog.LevelInfo
		if ev.Change == AddrUnreachable || ev.Change == AddrPotentiallyFailed {
			level = slog.LevelWarn
		}
		o.log(level, "path", "addr", ev.Addr.String(), "change", ev.Change.String())
	case SendFailed:
		o.log(slog.LevelDebug, "message not delivered", "stream", ev.Stream, "ppid", ev.PPID, "sent",
			ev.Sent)
	case ErrorReceived:
		o.log(slog.LevelWarn, "error of the peer", "cause", ev.Cause)
	case PeerShutdown:
		o.log(slog.LevelInfo, "the peer shuts the association down")
	}
}
