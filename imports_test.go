package dtlssctp

import (
	"go/build"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seed-41f70523/dtls-sctp/"

// mayImport is who may import whom, besides the standard library. Imports go one way.
var mayImport = map[string][]string{
	"dtlscore": {module + "internal/errtype", module + "internal/legible",
		"golang.org/x/crypto/"},
	"dtlscore/internal/bogo":    {module + "dtlscore"},
	"dtlscore/internal/seqpeer": {module + "dtlscore"},
	"authchunk":                 {module + "internal/legible"},
	"sctpcore":                  {module + "authchunk"},
	"stream":                    {module + "authchunk", module + "internal/largebuf"},
	"internal/sctpsock": {module + "internal/errtype", module + "stream", module + "authchunk",
		"golang.org/x/sys/"},
	"internal/assoctest": {
		module + "stream", module + "internal/simnet", module + "internal/sctpudp",
		module + "sctpcore", module + "authchunk",
	},
	"internal/simnet":  {module + "internal/srcaddr"},
	"internal/tuntest": {"golang.org/x/sys/"},
	"sctptest": {
		module + "stream", module + "internal/simnet", module + "internal/sctpudp",
		module + "sctpcore",
	},
	"internal/sctpudp": {
		module + "sctpcore", module + "authchunk", module + "stream",
		module + "internal/srcaddr", "golang.org/x/sys/",
	},
	"internal/relaytest":  {module + "sctpdtls", module + "sctpdtls/relay"},
	"internal/testpki":    {},
	"internal/srcaddr":    {},
	"internal/errtype":    {},
	"internal/leaktest":   {},
	"internal/largebuf":   {},
	"internal/legible":    {},
	"internal/loglimit":   {},
	"internal/testrandom": {},
	"internal/fuzzcount":  {},
	"sctpdtls": {module + "dtlscore", module + "authchunk", module + "stream",
		module + "internal/sctpsock", module + "internal/sctpudp", module + "sctpcore",
		module + "internal/errtype", module + "internal/largebuf", module + "internal/loglimit",
		"github.com/ishidawataru/sctp"},
	"sctpdtls/relay": {module + "sctpdtls"},
	".":              {},
}

// TestImports fails on an import that is not in the table above.
func TestImports(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		name := d.Name()
		if name == "testdata" || dir != "." && (strings.HasPrefix(name, ".") || hasGoMod(dir)) {
			return filepath.SkipDir // other modules answer for themselves
		}
		pkg, err := build.ImportDir(dir, 0)
		if _, none := err.(*build.NoGoError); none {
			return nil
		} else if err != nil {
			return err
		}
		seen++
		allowed, ok := mayImport[filepath.ToSlash(dir)]
		if !ok {
			t.Errorf("package %s is not in the table of imports", dir)
		}
		for _, imp := range pkg.Imports {
			isStd := !strings.Contains(strings.Split(imp, "/")[0], ".")
			if !isStd && !slices.ContainsFunc(allowed,
				func(a string) bool {
					return imp == a ||
						strings.HasSuffix(a, "/") && strings.HasPrefix(imp, a)
				}) {
				t.Errorf("%s must not import %s", dir, imp)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen == 0 {
		t.Error("found no package")
	}
}

func hasGoMod(dir string) bool {
	m, _ := filepath.Glob(filepath.Join(dir, "go.mod"))
	return len(m) > 0
}
