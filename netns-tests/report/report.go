package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An event is one line of test2json; see "go doc test2json".
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// maySkip lists the tests that may be skipped, with the reasons. Any other skipped test would hide
// that the machine lacks something that "make test" promises to test with.
var maySkip = map[string]string{
	"check vulnerabilities": "the database of vulnerabilities is on the Internet",
	"check vagrant":         "not every distribution has a package of vagrant",
}

// A report gathers events until its end.
type report struct {
	out      io.Writer
	root     string          // folder of the repository
	packages map[string]*pkg // those that are running
	failures []string        // names of what failed, with reasons
	skips    []string        // what was skipped, with reasons and output

	passed, failed, skipped int
}

// A pkg is a package whose tests are running.
type pkg struct {
	output  map[string]*strings.Builder // of each running test; of the package itself under ""
	tests   int
	failure bool // a test has failed
}

func newReport(out io.Writer, root string) *report {
	return &report{out: out, root: root, packages: make(map[string]*pkg)}
}

// read takes events up to the end of in.
func (r *report) read(in io.Reader) error {
	for lines := bufio.NewReader(in); ; {
		line, err := lines.ReadBytes('\n')
		var e event
		if bytes.HasPrefix(line, []byte("{")) && json.Unmarshal(line, &e) == nil && e.Action != "" {
			r.event(&e)
		} else {
			r.out.Write(line)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func (r *report) event(e *event) {
	if e.Action == "build-output" {
		io.WriteString(r.out, e.Output)
		return
	}
	if e.Package == "" {
		return
	}
	p := r.packages[e.Package]
	if p == nil {
		p = &pkg{output: make(map[string]*strings.Builder)}
		r.packages[e.Package] = p
	}
	switch e.Action {
	case "run":
		p.output[e.Test] = new(strings.Builder)
	case "output":
		if p.output[e.Test] == nil {
			p.output[e.Test] = new(strings.Builder)
		}
		p.output[e.Test].WriteString(e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.packageEnds(p, e)
		} else {
			r.testEnds(p, e)
		}
	}
}

func (r *report) testEnds(p *pkg, e *event) {
	p.tests++
	output := p.take(e.Test)
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		name := e.Package + " " + e.Test
		if maySkip[name] == "" {
			p.failure = true
			r.fail(name, "a skipped test counts as failed here: see netns-tests/report", output)
			return
		}
		r.skipped++
		r.skips = append(r.skips, fmt.Sprintf("%s (%s)\n%s", name, maySkip[name], output))
	case "fail":
		p.failure = true
		r.fail(e.Package+" "+e.Test, r.reason(e.Package, output), output)
	}
}

func (r *report) packageEnds(p *pkg, e *event) {
	delete(r.packages, e.Package)
	switch e.Action {
	case "pass":
		if p.failure { // a skipped test
			fmt.Fprintf(r.out, "FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
			return
		}
		if rest := p.rest(); strings.Contains(rest, "no tests to run") {
			r.fail(e.Package, "no tests to run", rest) // someone wanted some
			return
		}
		if p.tests == 0 {
			r.passed++
			fmt.Fprintf(r.out, "ok    %s  %.1fs\n", e.Package, e.Elapsed)
			return
		}
		fmt.Fprintf(r.out, "ok    %s  tests: %d  %.1fs\n", e.Package, p.tests, e.Elapsed)
	case "fail":
		rest := p.rest()
		if p.failure {
			fmt.Fprintf(r.out, "%sFAIL  %s  %.1fs\n", rest, e.Package, e.Elapsed)
			return
		}
		r.fail(e.Package, r.reason(e.Package, rest), rest)
	}
	// A package is skipped for having no tests: nothing to tell.
}

// fail prints the output of what failed, and the reason after it, because the output may be long.
func (r *report) fail(name, reason, output string) {
	r.failed++
	if reason != "" {
		name += ": " + reason
	}
	r.failures = append(r.failures, name)
	fmt.Fprintf(r.out, "%sFAIL  %s\n", output, name)
}

// Lines that say why something failed: what a test logs with its place, and how a program ends.
var (
	logged = regexp.MustCompile(`^ +(\S+\.go):(\d+): `)
	died   = regexp.MustCompile(`^(panic|fatal error|runtime): `)
)

// So much of the reasons is shown. The first may be what a helper logs for its caller.
const (
	mostReasons   = 3
	longestReason = 300 // bytes
)

// reason returns the first lines of the output of a package or its test that say why it failed, or
// "" if there is none.
func (r *report) reason(pkg, output string) string {
	var all []string
	for line := range strings.Lines(output) {
		m := logged.FindStringSubmatch(line)
		if died.MatchString(line) || m != nil && !r.isLog(pkg, m[1], m[2]) {
			line = strings.TrimSpace(line)
			all = append(all, strings.ToValidUTF8(line[:min(len(line), longestReason)], ""))
		}
		if len(all) == mostReasons {
			break
		}
	}
	return strings.Join(all, "; ")
}

// isLog reports whether a line of a package's source calls Log or Logf. Other lines with a place in
// the output of a test are from Error and Fatal.
func (r *report) isLog(pkg, file, line string) bool {
	pkg, _, _ = strings.Cut(strings.TrimPrefix(pkg, module), " ") // "netns-tests (kernel)"
	b, err := os.ReadFile(filepath.Join(r.root, pkg, file))
	n, _ := strconv.Atoi(line)
	lines := strings.Split(string(b), "\n")
	if err != nil || n < 1 || n > len(lines) {
		return false
	}
	return strings.Contains(lines[n-1], ".Log(") || strings.Contains(lines[n-1], ".Logf(")
}

const module = "github.com/seed-41f70523/dtls-sctp/"

// take returns the output of a test that has ended.
func (p *pkg) take(test string) string {
	b := p.output[test]
	delete(p.output, test)
	if b == nil {
		return ""
	}
	return b.String()
}

// rest returns the output of the tests that have not ended, and of the package.
func (p *pkg) rest() string {
	var s strings.Builder
	for _, test := range slices.Sorted(maps.Keys(p.output)) {
		s.WriteString(p.take(test))
	}
	return s.String()
}

// end prints what remains, and reports whether all tests passed. A package that has
// begun but not ended has failed.
func (r *report) end() bool {
	for _, name := range slices.Sorted(maps.Keys(r.packages)) {
		rest := r.packages[name].rest()
		r.fail(name+" (did not end)", r.reason(name, rest), rest)
	}
	fmt.Fprintln(r.out)
	for _, s := range r.skips {
		fmt.Fprintf(r.out, "skipped: %s", s)
	}
	for _, name := range r.failures {
		fmt.Fprintln(r.out, "failed:", name)
	}
	ok := r.failed == 0 && r.passed > 0
	verdict, skipped := "PASS", ""
	if !ok {
		verdict = "FAIL"
	}
	if r.skipped > 0 {
		skipped = fmt.Sprintf(", %d skipped", r.skipped)
	}
	fmt.Fprintf(r.out, "%s\n%d passed, %d failed%s\n", verdict, r.passed, r.failed, skipped)
	return ok
}
