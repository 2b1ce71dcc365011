package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// listened returns the addresses that a service listens on.
func listened(ctx context.Context, address string) []netip.AddrPort {
	a, err := resolve(ctx, address)
	if err != nil {
		return nil
	}
	return addrPorts(a)
}

// withHolder adds to the error for a port in use which process uses it.
func withHolder(err error, local []netip.AddrPort) error {
	if !errors.Is(err, syscall.EADDRINUSE) || len(local) == 0 {
		return err
	}
	port := local[0].Port()
	who := holder(port)
	if who == "" {
		return err
	}
	return fmt.Errorf("%w; SCTP port %d is used by %s: configure another port there or for the tunnel",
		err, port, who)
}

// holder returns which process uses an SCTP port in this network namespace, if that can be
// determined.
func holder(port uint16) string {
	table, err := os.ReadFile("/proc/net/sctp/eps")
	if err != nil {
		return ""
	}
	for inode := range socketsOn(table, port) {
		if who := processOf(inode); who != "" {
			return who
		}
	}
	return ""
}

// socketsOn returns the inodes of the sockets with a port. table is /proc/net/sctp/eps, with the
// columns ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS.
func socketsOn(table []byte, port uint16) map[string]bool {
	inodes := make(map[string]bool)
	for line := range bytes.Lines(table) {
		f := strings.Fields(string(line))
		if len(f) > 7 && f[5] == strconv.Itoa(int(port)) {
			inodes[f[7]] = true
		}
	}
	return inodes
}

// processOf returns the name and number of the process with a socket.
func processOf(inode string) string {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && to == "socket:["+inode+"]" {
			pid := strings.Split(link, "/")[2]
			name, _ := os.ReadFile("/proc/" + pid + "/comm")
			return fmt.Sprintf("%s (process %s)", strings.TrimSpace(string(name)), pid)
		}
	}
	return ""
}
