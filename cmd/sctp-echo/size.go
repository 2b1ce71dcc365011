package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
)

// Flags for numbers of bytes, such as 16384, 64K and 1M.
type (
	sizeFlag  = cli.FlagBase[int, cli.NoConfig, sizeValue]
	sizesFlag = cli.FlagBase[[]int, cli.NoConfig, cli.SliceBase[int, cli.NoConfig, sizeValue]]
)

// units are binary.
var units = []struct {
	name  string
	bytes int
}{{"M", 1 << 20}, {"K", 1 << 10}}

func parseSize(s string) (int, error) {
	number, unit := s, 1
	for _, u := range units {
		if n, ok := strings.CutSuffix(strings.ToUpper(s), u.name); ok {
			number, unit = n, u.bytes
		}
	}
	n, err := strconv.ParseInt(number, 10, 31)
	if err != nil || n < 0 || n > (1<<31-1)/int64(unit) {
		return 0, fmt.Errorf("%q is no number of bytes, such as 16384, 64K or 1M", s)
	}
	return int(n) * unit, nil
}

// A sizeValue is a number of bytes, as a value for package cli.
type sizeValue struct{ n *int }

func (sizeValue) Create(n int, p *int, _ cli.NoConfig) cli.Value {
	*p = n
	return &sizeValue{p}
}

func (sizeValue) ToString(n int) string { return strconv.Itoa(n) }

func (v *sizeValue) Set(s string) (err error) {
	*v.n, err = parseSize(s)
	return err
}

func (v *sizeValue) Get() any { return *v.n }

func (v *sizeValue) String() string {
	if v.n == nil {
		return ""
	}
	return v.ToString(*v.n)
}
