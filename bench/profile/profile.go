// Package profile reports where instructions go: it puts names to what the plugin has counted by
// address.
package profile

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A Profile is instructions by where they were executed, of one message or handshake.
type Profile struct {
	Name      string
	Functions []Function // most first
}

// A Function is one of the kernel or a program.
type Function struct {
	Name         string
	Place        Place
	Instructions float64 // of one message or handshake
}

// Read returns what a run has left in folder: names, how many there were of each; counts.0 and so
// on, instructions by address; and the symbols of the kernel and the program, kallsyms and nm.
func Read(folder string) ([]Profile, error) {
	symbols, err := readSymbols(folder)
	if err != nil {
		return nil, err
	}
	names, err := os.ReadFile(filepath.Join(folder, "names"))
	if err != nil {
		return nil, err
	}
	var profiles []Profile
	for i, line := range strings.Split(strings.TrimSpace(string(names)), "\n") {
		var name string
		var times float64
		if n, err := fmt.Sscan(line, &name, &times); n != 2 {
			return nil, err
		}
		functions, err := readCounts(filepath.Join(folder, fmt.Sprintf("counts.%d", i)), symbols, times)
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, Profile{name, functions})
	}
	return profiles, nil
}

// A symbol is where a function begins.
type symbol struct {
	address uint64
	name    string
	module  string // of the kernel: its module, or "vmlinux"; else ""
}

// lowestKernel is the lowest address that a kernel has on processors of 64 bits.
const lowestKernel = 1 << 63

func readSymbols(folder string) ([]symbol, error) {
	var symbols []symbol
	end := uint64(0) // of the program
	err := lines(filepath.Join(folder, "nm"), func(f []string) error {
		if len(f) < 3 || !strings.EqualFold(f[1], "t") {
			return nil
		}
		address, err := strconv.ParseUint(f[0], 16, 64)
		symbols = append(symbols, symbol{address, strings.Join(f[2:], " "), ""})
		end = max(end, address)
		return err
	})
	if err != nil {
		return nil, err
	}
	symbols = append(symbols, symbol{0, "", ""}, symbol{end + 4096, "", ""}) // other programs
	err = lines(filepath.Join(folder, "kallsyms"), func(f []string) error {
		address, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil || address < lowestKernel || !strings.Contains("tTwW", f[1]) {
			return err
		}
		module := "vmlinux"
		if len(f) > 3 {
			module = strings.Trim(f[3], "[]")
		}
		symbols = append(symbols, symbol{address, f[2], module})
		return nil
	})
	slices.SortStableFunc(symbols, func(a, b symbol) int { return cmp.Compare(a.address, b.address) })
	return symbols, err
}

// lines calls f with the words of each line.
func lines(file string, f func(words []string) error) error {
	r, err := os.Open(file)
	if err != nil {
		return err
	}
	defer r.Close()
	s := bufio.NewScanner(r)
	for s.Scan() {
		if err := f(strings.Fields(s.Text())); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return s.Err()
}

func readCounts(file string, symbols []symbol, times float64) ([]Function, error) {
	found := make(map[symbol]float64)
	err := lines(file, func(f []string) error {
		address, err := strconv.ParseUint(f[0], 16, 64)
		if err != nil {
			return err
		}
		n, err := strconv.ParseFloat(f[1], 64)
		byAddress := func(s symbol, a uint64) int { return cmp.Compare(s.address, a) }
		at, exact := slices.BinarySearchFunc(symbols, address, byAddress)
		if !exact {
			at--
		}
		found[symbols[at]] += n / times
		return err
	})
	var functions []Function
	for s, n := range found {
		functions = append(functions, Function{cmp.Or(s.name, "?"), s.place(), n})
	}
	slices.SortFunc(functions, func(a, b Function) int {
		return cmp.Or(cmp.Compare(b.Instructions, a.Instructions), cmp.Compare(a.Name, b.Name))
	})
	return functions, err
}

// Sum returns the instructions of the places for which want says so.
func (p *Profile) Sum(want func(Place) bool) (n float64) {
	for _, f := range p.Functions {
		if want(f.Place) {
			n += f.Instructions
		}
	}
	return n
}
