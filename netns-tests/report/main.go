// Report reads what "go test -json" and "go tool test2json" write, of any number
// of runs one after another, and tells a person: a line for each package, all
// output of what failed, and at the end a list of what failed, each with the
// first lines that say why, and
//
//	N passed, N failed
//
// Lines that are not events are printed as they are. Each test and subtest
// counts; so does a package that failed by itself, or passed without having
// tests (a check that is not a Go test). A skipped test counts as failed unless
// it is in the list of those that may be skipped. The current folder is the root of
// the repository, whose source tells what is from Log, and is no reason. Exit status: 0 only if
// something passed and nothing failed.
package main

import (
	"fmt"
	"os"
)

func main() {
	r := newReport(os.Stdout, ".")
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(1)
	}
	if !r.end() {
		os.Exit(1)
	}
}
