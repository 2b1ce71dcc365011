package profile

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// What a run leaves: two messages, with instructions of a program, of the kernel and of a module.
var left = map[string]string{
	"names": "one 2\n",
	"nm": "  401000 T github.com/seed-41f70523/dtls-sctp/sctpdtls.(*Conn).WriteMessage\n" +
		"  402000 t runtime.mallocgc\n  403000 D data\n",
	"kallsyms": "ffffffff81000000 T entry_SYSCALL_64\nffffffff81000100 T tcp_sendmsg\n" +
		"ffffffffc0000000 t sctp_sendmsg\t[sctp]\n0000000000012345 A percpu\n",
	"counts.0": "401000 4\n401fff 6\n402001 20\nffffffff81000050 100\nffffffff81000100 2\n" +
		"ffffffffc0000010 40\n7fffff000000 8\n",
}

func readLeft(t *testing.T) []Profile {
	folder := t.TempDir()
	for name, text := range left {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	all, err := Read(folder)
	if err != nil || len(all) != 1 || all[0].Name != "one" {
		t.Fatalf("read %v, %v", all, err)
	}
	return all
}

func TestRead(t *testing.T) {
	got := make(map[string]float64)
	for _, f := range readLeft(t)[0].Functions {
		got[f.Place.Whole+", "+f.Place.Part] += f.Instructions
	}
	want := map[string]float64{ // of one message
		"our packages, sctpdtls":               5,
		"Go, runtime":                          10,
		"kernel, system calls, sockets, epoll": 50,
		"kernel, scheduler, timers, rest":      1,
		"kernel, SCTP":                         20,
		"rest, other programs":                 4,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestPlace(t *testing.T) {
	for _, test := range []struct {
		name, module string
		want         Place
	}{
		{"sha1_transform_avx", "sha1_ssse3", Place{kernel, "HMAC"}},
		{"sha1_ni_transform", "vmlinux", Place{kernel, "HMAC"}},
		{"veth_xmit", "veth", Place{kernel, "network"}},
		{"kmem_cache_alloc", "vmlinux", Place{kernel, "memory, copying"}},
		{"ep_poll", "vmlinux", Place{kernel, "system calls, sockets, epoll"}},
		{"crypto/internal/fips140/aes/gcm.gcmAesEnc", "", Place{crypto, "AES-GCM"}},
		{"crypto/internal/fips140/nistec.p256PointAddAsm", "", Place{crypto, "public keys"}},
		{"crypto/internal/fips140/sha256.blockAVX2", "", Place{crypto, "hashes"}},
		{"github.com/seed-41f70523/dtls-sctp/dtlscore.(*Conn).Seal", "", Place{ours, "dtlscore"}},
		{"github.com/seed-41f70523/dtls-sctp/bench/peer.Begin", "", Place{rest, "driver of the bench"}},
		{"internal/poll.(*FD).RawRead", "", Place{goRuntime, "sync, os, poll, time"}},
		{"slices.Sort", "", Place{rest, "other packages"}},
	} {
		if got := (symbol{name: test.name, module: test.module}).place(); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestTable(t *testing.T) {
	all := readLeft(t)
	short, long := Table(all, []string{"a message"}, false), Table(all, []string{"a message"}, true)
	for text, rows := range map[string][]string{
		short: {"| all |  | 90 |", "| kernel | system calls, sockets, epoll | 50 |", "| Go |  | 10 |"},
		long:  {"| all |  | 90 |", "| our packages | sctpdtls | 5 |", "| Go | runtime | 10 |"},
	} {
		lines := strings.Split(text, "\n")
		for _, row := range rows {
			if !slices.Contains(lines, row) {
				t.Errorf("the table lacks the row %s:\n%s", row, text)
			}
		}
	}
}

func TestDraw(t *testing.T) {
	drawing := string(readLeft(t)[0].Draw("a message"))
	for _, want := range []string{"a message: 90 instructions", "<title>runtime.mallocgc: 10</title>",
		"<title>sctpdtls.(*Conn).WriteMessage: 5</title>"} {
		if !strings.Contains(drawing, want) {
			t.Errorf("the drawing lacks %q", want)
		}
	}
}
