// Package fuzzcount counts what fuzz targets are given, so that scripts/fuzz can tell how much
// that was: "go test -fuzz" says how often it has called a target, and not with how many bytes.
package fuzzcount

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// Folder is the name of the environment variable with the folder that each process of a fuzz target
// has a file in, named by its number: executions, a space, bytes. Without it nothing is counted.
const Folder = "DTLS_SCTP_FUZZ_COUNT"

// every is after how many executions the file is written, so that it may lack a few of the last
// ones.
const every = 64

var (
	file              = create()
	executions, bytes uint64
)

func create() *os.File {
	folder := os.Getenv(Folder)
	if folder == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(folder, strconv.Itoa(os.Getpid())))
	if err != nil {
		panic(err)
	}
	return f
}

// Input counts an execution of a target, whose input has n bytes: of its strings and slices of
// bytes, and one for each number or flag. A target calls it first. A process executes one at a
// time.
func Input(n int) {
	if file == nil {
		return
	}
	executions++
	bytes += uint64(n)
	if executions%every == 0 {
		// It never becomes shorter, so that nothing has to be cut off.
		if _, err := file.WriteAt(fmt.Appendf(nil, "%d %d\n", executions, bytes), 0); err != nil {
			panic(err)
		}
	}
}
