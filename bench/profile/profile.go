// Package profile shows where instructions are executed: it assigns the counts of the QEMU plugin
// to functions.
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

// A Profile is the instructions of one message or handshake, by place.
type Profile struct {
	Name      string
	Functions []Function // largest first
}

// A Function is a function of the kernel or of a program.
type Function struct {
	Name         string
	Place        Place
	Instructions float64 // per message or handshake
}

// Read reads what a run has left in folder: the profiles with their numbers in names; instructions
// by address in counts.0 and so on; and the symbols of the kernel and of the program in kallsyms
// and nm.
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

// A symbol is the address of a function.
type symbol struct {
	address uint64
	name    string
	module  string // of the kernel: its module, or "vmlinux"; otherwise ""
}

// lowestKernel is the lowest address of the kernel on 64-bit processors.
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

// Sum returns the instructions of the places for which want returns true.
func (p *Profile) Sum(want func(Place) bool) (n float64) {
	for _, f := range p.Functions {
		if want(f.Place) {
			n += f.Instructions
		}
	}
	return n
}
