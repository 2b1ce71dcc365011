package dtlssctp

import (
	"fmt"
	"go/ast"
	"go/doc"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAPI compares what the packages export with docs/api.txt, so that a change of the API is a
// decision: go test . -run API -update
func TestAPI(t *testing.T) {
	var lines []string
	for _, dir := range []string{".", "diameter"} {
		for _, p := range importable(t, dir) {
			for _, l := range api(p) {
				lines = append(lines, fmt.Sprintf("pkg %s, %s", strings.TrimPrefix(p.Path(), module), l))
			}
		}
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	const file = "docs/api.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
	for _, l := range old {
		if _, ok := slices.BinarySearch(lines, l); !ok {
			t.Errorf("-%s", l)
		}
	}
	for _, l := range lines {
		if _, ok := slices.BinarySearch(old, l); !ok {
			t.Errorf("+%s", l)
		}
	}
	if t.Failed() {
		t.Log("if that is meant, say so in CHANGELOG.md and docs/moving.md, " +
			"and run go test . -run API -update")
	} else if got != string(want) {
		t.Errorf("%s is not sorted", file)
	}
}

// importable returns all packages of a module that others can import.
func importable(t *testing.T, dir string) (all []*types.Package) {
	t.Helper()
	list := exec.Command("go", "list", "-export", "-deps", "-f",
		"{{.ImportPath}} {{.Export}} {{not .DepOnly}} {{.Name}}", "./...")
	list.Dir, list.Stderr = dir, os.Stderr
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	exports := make(map[string]string)
	var paths []string
	for l := range strings.Lines(string(out)) {
		path, rest, _ := strings.Cut(strings.TrimSpace(l), " ")
		export, rest, _ := strings.Cut(rest, " ")
		exports[path] = export
		if rest != "" && strings.HasPrefix(rest, "true ") && rest != "true main" &&
			!strings.Contains(path+"/", "/internal/") {
			paths = append(paths, path)
		}
	}
	open := func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) }
	packages := importer.ForCompiler(token.NewFileSet(), "gc", open)
	for _, path := range paths {
		p, err := packages.Import(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// api returns the API of a package in the form of Go's own files api/*.txt.
func api(p *types.Package) (lines []string) {
	name := func(t types.Type) string {
		return types.TypeString(t, func(other *types.Package) string {
			if other == p {
				return ""
			}
			return other.Name()
		})
	}
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	// A signature without the names of its parameters.
	signature := func(t types.Type) string {
		s := t.(*types.Signature)
		nameless := func(vars *types.Tuple) *types.Tuple {
			var out []*types.Var
			for v := range vars.Variables() {
				out = append(out, types.NewParam(token.NoPos, nil, "", v.Type()))
			}
			return types.NewTuple(out...)
		}
		in, out := nameless(s.Params()), nameless(s.Results())
		s = types.NewSignatureType(nil, nil, nil, in, out, s.Variadic())
		return strings.TrimPrefix(name(s), "func")
	}
	for _, id := range p.Scope().Names() {
		object := p.Scope().Lookup(id)
		if !object.Exported() {
			continue
		}
		switch o := object.(type) {
		case *types.Const:
			add("const %s %s = %s", id, name(o.Type()), o.Val())
		case *types.Var:
			add("var %s %s", id, name(o.Type()))
		case *types.Func:
			add("func %s%s", id, signature(o.Type()))
		case *types.TypeName:
			if alias, ok := o.Type().(*types.Alias); ok {
				add("type %s = %s", id, name(alias.Rhs()))
				continue
			}
			switch u := o.Type().Underlying().(type) {
			case *types.Struct:
				add("type %s struct", id)
				for f := range u.Fields() {
					switch {
					case !f.Exported():
					case f.Embedded():
						add("type %s struct, embeds %s", id, name(f.Type()))
					default:
						add("type %s struct, %s %s", id, f.Name(), name(f.Type()))
					}
				}
			case *types.Interface:
				add("type %s interface", id)
				for m := range u.Methods() {
					add("type %s interface, %s%s", id, m.Name(), signature(m.Type()))
				}
				continue
			default:
				add("type %s %s", id, name(u))
			}
			value := types.NewMethodSet(o.Type())
			for m := range types.NewMethodSet(types.NewPointer(o.Type())).Methods() {
				if len(m.Index()) > 1 || !m.Obj().Exported() {
					continue // of something embedded
				}
				receiver := "*" + id
				if value.Lookup(p, m.Obj().Name()) != nil {
					receiver = id
				}
				add("method (%s) %s%s", receiver, m.Obj().Name(), signature(m.Type()))
			}
		}
	}
	return lines
}

// TestFieldsOfErrors: go doc shows no fields of an alias, so the comments of those of errors list
// them, for programs that import package sctpdtls alone.
func TestFieldsOfErrors(t *testing.T) {
	all := importable(t, ".")
	p := all[slices.IndexFunc(all, func(p *types.Package) bool { return p.Name() == "sctpdtls" })]
	names, err := filepath.Glob("sctpdtls/*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, name := range names {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		if f.Name.Name == p.Name() && !strings.HasSuffix(name, "_test.go") {
			files = append(files, f)
		}
	}
	text, err := doc.NewFromFiles(fset, files, p.Path())
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, typ := range text.Types {
		alias, ok := p.Scope().Lookup(typ.Name).Type().(*types.Alias)
		if !ok || !strings.HasSuffix(typ.Name, "Error") {
			continue
		}
		seen++
		fields := alias.Underlying().(*types.Struct)
		for f := range fields.Fields() {
			if f.Exported() && !regexp.MustCompile(`(?m)^\t`+f.Name()+`\b`).MatchString(typ.Doc) {
				t.Errorf("the comment of sctpdtls.%s does not list its field %s", typ.Name, f.Name())
			}
		}
	}
	if seen == 0 {
		t.Error("there are no aliases")
	}
}
