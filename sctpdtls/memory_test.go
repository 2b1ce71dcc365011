//go:build linux && !kernel && !race

package sctpdtls

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// F13: the memory of a process, which another one looks through for the secrets of its connections:
// they are there as long as they are needed, and not afterwards, though the program holds its
// connections still.
//
// What this package and the core keep themselves is overwritten at once. The states of ciphers
// belong to the standard library, and can only be released. That nothing holds them is seen where
// the garbage collector clobbers what it frees.

// memoryChild is the name of the environment variable that makes this test's program the process
// that is looked through: it has the version.
const memoryChild = "DTLS_SCTP_MEMORY_CHILD"

func init() {
	childProcess = func() bool {
		version := os.Getenv(memoryChild)
		if version == "" {
			return false
		}
		runMemoryChild(map[string]uint16{"DTLS1.2": VersionDTLS12, "DTLS1.3": VersionDTLS13}[version])
		return true
	}
}

// reportingAssociation tells the keys of SCTP-AUTH, and the server's random value, and keeps
// neither.
type reportingAssociation struct{ memAssociation }

func (r *reportingAssociation) SetAuthKey(id uint16, secret []byte) error {
	tell(fmt.Sprintf("AUTH_KEY_%d", id), secret)
	return r.Assoc.SetAuthKey(id, []byte{1})
}

func (r *reportingAssociation) TrySend(b []byte, info stream.Info) error {
	if random := 13 + 12 + 2; b[0] == 22 && b[4] == 0 && b[13] == 2 {
		tell("SERVER_RANDOM", b[random:random+32])
	}
	return r.Assoc.TrySend(b, info)
}

// tell writes “name hex”, without leaving a copy.
func tell(name string, value []byte) {
	line := hex.AppendEncode(append(make([]byte, 0, len(name)+2+2*len(value)), name+" "...), value)
	os.Stdout.Write(append(line, '\n'))
	clear(line)
}

// pause reports where the child is, and waits until it was looked through.
func pause(phase string) {
	for range 3 {
		runtime.GC()
	}
	fmt.Println("phase", phase)
	io.ReadFull(os.Stdin, make([]byte, 1))
}

func orPanic(err error) {
	if err != nil {
		panic(err)
	}
}

// runMemoryChild is the life of two connections' ends, with pauses.
func runMemoryChild(version uint16) {
	client, server := clientConfig(), serverConfig()
	server.TicketKeys = new(TicketKeys)
	var ticketKey [32]byte
	rand.Read(ticketKey[:])
	tell("TICKET_KEY", ticketKey[:])
	orPanic(server.TicketKeys.Set(ticketKey))
	clear(ticketKey[:])
	for _, c := range []*Config{client, server} {
		c.MinVersion, c.MaxVersion = version, version
		c.CipherSuites = []uint16{dtlscore.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			dtlscore.TLS_AES_128_GCM_SHA256}
		c.Renegotiation = RenegotiateFreely
		c.KeyLogWriter = os.Stdout
	}
	server.KeyLogWriter = nil // it would be the same again
	a, b, err := assoctest.New(assoctest.Options{Delay: time.Millisecond})
	orPanic(err)
	defer a.EndNetwork()
	newEnd := func(a *assoctest.Assoc, config *Config,
		newCore func(*dtlscore.Config) (*dtlscore.Conn, error)) *Conn {
		core, err := newCore(config.core())
		orPanic(err)
		c, err := newConn(&reportingAssociation{memAssociation{Assoc: a}}, config, core)
		orPanic(err)
		return c
	}
	c, s := newEnd(a, client, dtlscore.Client), newEnd(b, server, dtlscore.Server)
	go func() { // echoes
		buf := make([]byte, MaxMessageSize)
		for {
			n, info, err := s.ReadMessage(buf)
			if err != nil {
				orPanic(s.Close())
				return
			}
			orPanic(s.WriteMessage(buf[:n], info))
		}
	}()
	echo := func() {
		orPanic(c.WriteMessage([]byte("ping"), MessageInfo{Stream: 1}))
		_, _, err := c.ReadMessage(make([]byte, MaxMessageSize))
		orPanic(err)
	}
	echo()
	state := c.ConnectionState()
	pause("open")

	if version == VersionDTLS13 {
		for range 2 { // the peer's keys before the last are kept, for what comes late
			orPanic(c.KeyUpdate(context.Background(), UpdateRequested))
			echo()
		}
	} else {
		orPanic(c.Renegotiate(context.Background()))
	}
	rand.Read(ticketKey[:])
	orPanic(server.TicketKeys.Set(ticketKey))
	clear(ticketKey[:])
	for range 3 { // in the old keys, in those of one end, in those of both
		echo()
	}
	pause("rekeyed")

	orPanic(c.Close())
	s.Close() // waits for the other call
	if _, err := state.ExportKeyingMaterial("EXPORTER_x", nil, 32); err == nil {
		panic("a connection that is closed exports keying material")
	}
	pause("closed")
	runtime.KeepAlive([]any{c, s, client, server, state})
}

// A memoryChildProcess is looked through from outside.
type memoryChildProcess struct {
	t       *testing.T
	pid     int
	stdin   io.Writer
	stdout  *bufio.Scanner
	secrets map[string][]byte // by name; the master secret of a second handshake has a 2 behind
}

func TestAttackF13MemoryAfterUse(t *testing.T) {
	for _, version := range []string{"DTLS1.2", "DTLS1.3"} {
		for _, clobberfree := range []string{"0", "1"} {
			t.Run(version+"/clobberfree="+clobberfree, func(t *testing.T) {
				c := startMemoryChild(t, version, "clobberfree="+clobberfree)
				// want says which secrets there are.
				want := func(phase string, is func(name string) bool) {
					found := c.look()
					t.Log(phase, found)
					for name := range c.secrets {
						inCipher := strings.HasSuffix(name, "key")
						if inCipher && clobberfree == "0" && !is(name) {
							continue
						}
						if (found[name] > 0) != is(name) {
							t.Errorf("%s: %s is there %d times", phase, name, found[name])
						}
					}
					c.resume()
				}
				c.nextPhase("open")
				c.derive()
				want("open", func(name string) bool {
					// Those of the handshake are gone already, and those of SCTP-AUTH, which the kernel has.
					return !strings.Contains(name, "HANDSHAKE") && !strings.Contains(name, "AUTH_KEY")
				})
				c.nextPhase("rekeyed")
				want("rekeyed", func(name string) bool {
					return name == "EXPORTER_SECRET" || name == "CLIENT_RANDOM2"
				})
				c.nextPhase("closed")
				want("closed", func(string) bool { return false })
			})
		}
	}
}

func startMemoryChild(t *testing.T, version, debug string) *memoryChildProcess {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), memoryChild+"="+version, "GODEBUG="+debug)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &memoryChildProcess{t, cmd.Process.Pid, stdin, bufio.NewScanner(stdout),
		make(map[string][]byte)}
}

// nextPhase takes what the child tells before it pauses.
func (c *memoryChildProcess) nextPhase(want string) {
	c.t.Helper()
	for c.stdout.Scan() {
		line := c.stdout.Text()
		if line == "phase "+want {
			return
		}
		field := strings.Fields(line)
		name := field[0]
		if c.secrets[name] != nil && !strings.HasPrefix(name, "AUTH_KEY") && name != "SERVER_RANDOM" {
			name += "2"
		}
		value, err := hex.DecodeString(field[len(field)-1])
		if name == "CLIENT_RANDOM" && err == nil { // a key log has both
			c.secrets["random"], err = hex.DecodeString(field[1])
		}
		if err != nil {
			c.t.Fatalf("%q: %v", line, err)
		}
		c.secrets[name] = value
	}
	c.t.Fatalf("the child ended before it was %s: %v", want, c.stdout.Err())
}

func (c *memoryChildProcess) resume() { c.stdin.Write([]byte{'\n'}) }

// derive adds the keys of AES, as the child derives them.
func (c *memoryChildProcess) derive() {
	s := c.secrets
	b, err := hkdf.Key(sha256.New, s["TICKET_KEY"], nil, "session ticket key", 16+32)
	if err != nil {
		c.t.Fatal(err)
	}
	s["ticket key"] = b[16:]
	if master := s["CLIENT_RANDOM"]; master != nil {
		block := prf12(master, "key expansion", append(s["SERVER_RANDOM"], s["random"]...))
		s["client key"], s["server key"] = block[:16], block[16:32]
	} else {
		for side, name := range map[string]string{"client key": "CLIENT_TRAFFIC_SECRET_0",
			"server key": "SERVER_TRAFFIC_SECRET_0"} {
			label := "dtls13key"
			info := string([]byte{0, 16, byte(len(label))}) + label + "\x00"
			if s[side], err = hkdf.Expand(sha256.New, s[name], info, 16); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	for _, name := range []string{"random", "SERVER_RANDOM", "TICKET_KEY"} {
		delete(s, name) // what the others are made of
	}
}

// prf12 is the first 64 bytes of RFC 5246, Section 5.
func prf12(secret []byte, label string, seed []byte) (out []byte) {
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(sha256.New, secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	for a := seed; len(out) < 64; {
		a = mac(a)
		out = append(out, mac(a, seed)...)
	}
	return out
}

// look counts how often each secret is in the memory of the child: its first 16 bytes, for a part
// would do.
func (c *memoryChildProcess) look() map[string]int {
	c.t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", c.pid))
	if err != nil {
		c.t.Fatal(err)
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", c.pid))
	if os.IsPermission(err) {
		c.t.Skip("a process may not read the memory of its children (kernel.yama.ptrace_scope):", err)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	defer memory.Close()
	found := make(map[string]int)
	var buf []byte
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode)
		if !strings.HasPrefix(mode, "rw") || to-from > 1<<26 {
			continue // the race detector reserves terabytes for itself
		}
		buf = slices.Grow(buf[:0], int(to-from))[:to-from]
		n, _ := memory.ReadAt(buf, from) // what cannot be read is nobody's memory
		for name, secret := range c.secrets {
			if n := bytes.Count(buf[:n], secret[:16]); n > 0 {
				found[name] += n
			}
		}
	}
	return found
}
