package dtlssctp

import (
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"slices"
	"testing"
)

// layers are the files of package sctpdtls from the bottom up: a file uses what those before it
// define, and nothing of those behind it.
var layers = []string{
	// Words: of SCTP, of DTLS, of errors.
	"doc.go", "ppid.go", "names.go", "sctp.go", "state.go", "addr.go", "message.go", "errors.go",
	// What is configured.
	"trace.go", "config.go", "fromtls.go",
	// The parts of a connection, each for itself.
	"instant.go", "gate.go", "alarm.go", "turn.go", "deadline.go", "request.go", "keyring.go",
	"complete.go", "pace.go", "stack.go", "counters.go", "loglimit.go",
	// All that a connection has.
	"conn.go",
	// Its owner: what it tells, how it obeys the core, how it ends, what it begins.
	"owner.go", "log.go", "tell.go", "end.go", "driver.go", "fail.go", "upkeep.go", "lend.go",
	"run.go",
	// What users call.
	"handshake.go", "receive.go", "send.go", "batch.go", "stream.go", "rekey.go", "paths.go",
	"stats.go", "close.go",
	// Where connections come from.
	"client.go", "kernel.go", "udp.go", "adopt.go", "dial.go", "hostlimit.go", "listen.go",
}

// upwards are the types that a file behind defines all the same: types that know each other.
var upwards = map[string][]string{
	"trace.go": {"Conn"},            // the functions of a Trace get it, and it has the Trace
	"conn.go":  {"owner", "Stream"}, // have a Conn, which has them
}

// TestImportsBetweenFiles fails on a use that is not in the order of layers.
func TestImportsBetweenFiles(t *testing.T) {
	dir, err := filepath.Abs("sctpdtls")
	if err != nil {
		t.Fatal(err)
	}
	cgo := build.Default.CgoEnabled // package net is read without it
	build.Default.CgoEnabled = false
	defer func() { build.Default.CgoEnabled = cgo }()
	p, err := build.ImportDir(dir, 0)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		if !slices.Contains(layers, name) {
			t.Errorf("%s has no place among the layers", name)
		}
		f, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	if len(files) != len(layers) {
		t.Errorf("%d files, of which %d have a place", len(files), len(layers))
	}
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object)}
	check := types.Config{Importer: importer.ForCompiler(fset, "source", nil)}
	t.Chdir(dir)
	pkg, err := check.Check(module+"sctpdtls", fset, files, info)
	if err != nil {
		t.Fatal(err)
	}
	base := func(pos token.Pos) string { return filepath.Base(fset.Position(pos).Filename) }
	seen := make(map[string]bool)
	for id, object := range info.Uses {
		if object.Pkg() != pkg {
			continue
		}
		user, definer := base(id.Pos()), base(object.Pos())
		if slices.Index(layers, user) >= slices.Index(layers, definer) {
			continue
		}
		seen[user+" "+id.Name] = true
		if !slices.Contains(upwards[user], id.Name) {
			t.Errorf("%s: uses %s of %s, which is above it", fset.Position(id.Pos()), id.Name, definer)
		}
	}
	for user, names := range upwards {
		for _, name := range names {
			if !seen[user+" "+name] {
				t.Errorf("%s uses no %s any more", user, name)
			}
		}
	}
}
