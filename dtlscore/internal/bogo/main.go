package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// exitUnimplemented tells the runner to skip a test.
const exitUnimplemented = 89

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run makes all connections of one test. Standard error stays empty unless
// something fails; then it says what, for the runner to compare.
func run(args []string, stdout, stderr io.Writer) int {
	first, later, err := parseFlags(args)
	if err == nil && first.askHandshaker {
		// There is no second process that does handshakes for this one.
		fmt.Fprintln(stdout, "No")
		return 0
	}
	if err == nil {
		err = connectAll(first, later)
	}
	switch {
	case errors.Is(err, errUnimplemented):
		fmt.Fprintln(stderr, err)
		return exitUnimplemented
	case err != nil:
		fmt.Fprintln(stderr, err)
		return 1
	}
	return 0
}

// connectAll makes the first connection, and then those that are to resume the
// session of the one before.
func connectAll(first, later *options) error {
	s := newSessions()
	for i := range first.resumeCount + 1 {
		o := first
		if i > 0 {
			o = later
		}
		if err := connect(o, s); err != nil {
			return fmt.Errorf("connection %d: %w", i+1, err)
		}
		s.connections++
		s.clockOffset += o.resumptionDelay
	}
	return nil
}
