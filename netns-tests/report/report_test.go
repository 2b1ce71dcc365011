package main

import (
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	// This package, as scripts/test calls it when its tests run in a guest, and a line of this file.
	const self = module + "netns-tests/report (kernel)"
	const reasons = "report_test.go:1: the cause; report_test.go:2: the effect"
	_, _, line, _ := runtime.Caller(0)
	logLine := strconv.Itoa(line + 2)
	t.Log("a line that calls Log")
	for _, tt := range []struct {
		name   string
		events string
		want   []string // lines, in this order
		ok     bool
	}{
		{
			name: "passes",
			events: `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"noise\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":1}
{"Action":"pass","Package":"p","Elapsed":1.25}
`,
			want: []string{"ok    p  tests: 1  1.2s", "", "PASS", "1 passed, 0 failed"},
			ok:   true,
		},
		{
			name: "a failure with its output, and text between the events",
			events: `== heading
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"reason\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"fail","Package":"p","Elapsed":2}
`,
			want: []string{"== heading", "reason", "FAIL  p TestA", "FAIL  p  2.0s", "", "failed: p TestA",
				"FAIL", "1 passed, 1 failed"},
		},
		{
			name: "a check without tests",
			events: `{"Action":"start","Package":"vet"}
{"Action":"output","Package":"vet","Output":"all well\n"}
{"Action":"pass","Package":"vet","Elapsed":3}
`,
			want: []string{"ok    vet  3.0s", "", "PASS", "1 passed, 0 failed"},
			ok:   true,
		},
		{
			name: "a package that cannot be built",
			events: `{"ImportPath":"p","Action":"build-output","Output":"p.go:1: nonsense\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","Elapsed":0,"FailedBuild":"p"}
`,
			want: []string{"p.go:1: nonsense", "FAIL\tp [build failed]", "FAIL  p", "", "failed: p", "FAIL",
				"0 passed, 1 failed"},
		},
		{
			name: "a package that stops in the middle",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"last words\n"}
`,
			want: []string{"last words", "FAIL  p (did not end)", "", "failed: p (did not end)", "FAIL",
				"1 passed, 1 failed"},
		},
		{
			name: "tests that may be skipped",
			events: `{"Action":"run","Package":"check","Test":"vulnerabilities"}
{"Action":"output","Package":"check","Test":"vulnerabilities","Output":"why\n"}
{"Action":"skip","Package":"check","Test":"vulnerabilities"}
{"Action":"run","Package":"check","Test":"vet"}
{"Action":"pass","Package":"check","Test":"vet"}
{"Action":"pass","Package":"check","Elapsed":0}
{"Action":"skip","Package":"empty","Elapsed":0}
`,
			want: []string{"ok    check  tests: 2  0.0s", "",
				"skipped: check vulnerabilities (the database of vulnerabilities is on the Internet)",
				"why", "PASS", "1 passed, 0 failed, 1 skipped"},
			ok: true,
		},
		{
			name: "a test that must not be skipped",
			events: `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"no device\n"}
{"Action":"skip","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Elapsed":0}
`,
			want: []string{"no device",
				"FAIL  p TestA: a skipped test counts as failed here: see netns-tests/report",
				"FAIL  p  0.0s", "",
				"failed: p TestA: a skipped test counts as failed here: see netns-tests/report", "FAIL",
				"1 passed, 1 failed"},
		},
		{
			name: "a pattern that matches no test",
			events: `{"Action":"start","Package":"p"}
{"Action":"output","Package":"p","Output":"testing: warning: no tests to run\n"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"pass","Package":"p","Elapsed":1}
`,
			want: []string{"testing: warning: no tests to run", "PASS", "FAIL  p: no tests to run", "",
				"failed: p: no tests to run", "FAIL", "0 passed, 1 failed"},
		},
		{
			name: "the reasons are what is not from Log",
			events: strings.ReplaceAll(`{"Action":"output","Package":"SELF","Test":"TestA","Output":`+
				`"    report_test.go:`+logLine+`: took 1 s\n"}
{"Action":"output","Package":"SELF","Test":"TestA","Output":"    report_test.go:1: the cause\n"}
{"Action":"output","Package":"SELF","Test":"TestA","Output":"    report_test.go:2: the effect\n"}
{"Action":"output","Package":"SELF","Test":"TestA","Output":"    much output\n"}
{"Action":"fail","Package":"SELF","Test":"TestA"}
{"Action":"fail","Package":"SELF","Elapsed":2}
`, "SELF", self),
			want: []string{"    report_test.go:" + logLine + ": took 1 s", "    report_test.go:1: the cause",
				"    report_test.go:2: the effect", "    much output",
				"FAIL  " + self + " TestA: " + reasons, "FAIL  " + self + "  2.0s", "",
				"failed: " + self + " TestA: " + reasons, "FAIL", "0 passed, 1 failed"},
		},
		{
			name: "a panic",
			events: `{"Action":"output","Package":"p","Test":"TestA","Output":"--- FAIL: TestA\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"panic: test timed out\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"goroutine 1\n"}
{"Action":"fail","Package":"p","Test":"TestA"}
{"Action":"fail","Package":"p","Elapsed":2}
`,
			want: []string{"--- FAIL: TestA", "panic: test timed out", "goroutine 1",
				"FAIL  p TestA: panic: test timed out", "FAIL  p  2.0s", "",
				"failed: p TestA: panic: test timed out", "FAIL", "0 passed, 1 failed"},
		},
		{
			name: "nothing at all",
			want: []string{"", "FAIL", "0 passed, 0 failed"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out, "../..")
			if err := r.read(strings.NewReader(tt.events)); err != nil {
				t.Fatal(err)
			}
			if ok := r.end(); ok != tt.ok {
				t.Errorf("end() = %v, want %v", ok, tt.ok)
			}
			if want := strings.Join(tt.want, "\n") + "\n"; out.String() != want {
				t.Errorf("printed:\n%s\nwant:\n%s", out.String(), want)
			}
		})
	}
}
