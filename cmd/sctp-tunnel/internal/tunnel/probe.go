package tunnel

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Client looks whether its target can be reached by a connection that carries nothing. A daemon
// at its far end may not bear that: freeDiameter ends when an association is gone before it was
// accepted. So the connection says by ALPN (RFC 7301) what it is for. A tunnel then only looks
// whether someone listens on the daemon's port. An endpoint that does not know the protocol gets a
// connection that stays for a while before it is closed.
const probeProtocol = "sctp-tunnel-probe"

// probeTime is how long a connection that may have reached a daemon stays open.
const probeTime = time.Second

// alertNoApplicationProtocol is RFC 7301, Section 3.2.
const alertNoApplicationProtocol sctpdtls.Alert = 120

// probe tries to reach the target. It returns when the connection is closed.
func (r *run) probe(ctx context.Context) error {
	if !r.gated() {
		return nil
	}
	config := r.config()
	config.NextProtos = []string{probeProtocol}
	conn, err := r.dial(ctx, config, r.Target, r.Limits.Streams, r.Limits.Streams)
	r.setWantsOther(r.Target, isNoProtocol(err))
	if isNoProtocol(err) {
		return nil // something listens there
	}
	if err != nil {
		return err
	}
	if conn.ConnectionState().NegotiatedProtocol != probeProtocol {
		closeLater(ctx, conn)
	} else {
		closeSoon(conn)
	}
	return nil
}

// isNoProtocol reports whether a handshake failed because the server requires another protocol.
func isNoProtocol(err error) bool {
	e, ok := errtype.As[*sctpdtls.AlertError](err)
	return ok && e.Alert == alertNoApplicationProtocol
}

// closeLater closes a connection that may have reached a daemon.
func closeLater(ctx context.Context, conn *sctpdtls.Conn) {
	select {
	case <-time.After(probeTime):
	case <-ctx.Done():
	}
	closeSoon(conn)
}

// closeSoon closes a connection on which nothing was sent.
func closeSoon(conn *sctpdtls.Conn) {
	stop := time.AfterFunc(probeTime, func() { conn.Abort() })
	defer stop.Stop()
	conn.Close()
}

// isProbe reports whether a connection was made by probe.
func isProbe(state sctpdtls.ConnectionState) bool {
	return state.NegotiatedProtocol == probeProtocol
}

// answerProbe waits until the peer knows that it can reach this end.
func answerProbe(ctx context.Context, conn *sctpdtls.Conn, limit time.Duration) {
	defer context.AfterFunc(ctx, func() { conn.Abort() })()
	conn.SetReadDeadline(time.Now().Add(limit))
	var msgs [1]sctpdtls.Message
	if _, err := conn.ReadMessages(nil, msgs[:]); err != io.EOF {
		conn.Abort()
		return
	}
	closeSoon(conn)
}

var errNotListening = errors.New("nothing listens on the port of the daemon")

// A listenTable is /proc/net/sctp/eps, kept open because the process may later lose access to
// files. nil means that it does not exist.
type listenTable struct {
	mu sync.Mutex // guards the offset of f
	f  *os.File
}

func openListenTable() *listenTable {
	f, err := os.Open("/proc/net/sctp/eps")
	if err != nil {
		return nil
	}
	return &listenTable{f: f}
}

func (t *listenTable) close() {
	if t != nil {
		t.f.Close()
	}
}

// listens reports whether the port of target has a listener. known is false if that cannot be
// determined, for example on another host.
func (t *listenTable) listens(ctx context.Context, target string) (yes, known bool) {
	to, err := resolve(ctx, target)
	if t == nil || err != nil || !local(addrPorts(to)) {
		return false, false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, err := t.f.Seek(0, io.SeekStart); err != nil {
		return false, false
	}
	table, err := io.ReadAll(t.f)
	if err != nil {
		return false, false
	}
	return listening(table, uint16(to.Port)), true
}

// listening looks for a port in the columns ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS. SST is
// 10 for a listening socket.
func listening(table []byte, port uint16) bool {
	for line := range strings.Lines(string(table)) {
		f := strings.Fields(line)
		if len(f) > 5 && f[3] == "10" && f[5] == strconv.Itoa(int(port)) {
			return true
		}
	}
	return false
}

// local reports whether all addresses belong to this host.
func local(addrs []netip.AddrPort) bool {
	own, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(addrs, func(a netip.AddrPort) bool {
		return !a.Addr().IsLoopback() && !slices.ContainsFunc(own, func(o net.Addr) bool {
			p, err := netip.ParsePrefix(o.String())
			return err == nil && p.Addr() == a.Addr().WithZone("")
		})
	})
}
