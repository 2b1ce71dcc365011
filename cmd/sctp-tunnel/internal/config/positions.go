package config

import (
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// positions returns the lines of the keys in a document that can be parsed, by their paths, such as
// “service.1.allow.0.dns” for the list in the second [[service]]'s first [[service.allow]];
// those of tables too.
func positions(text []byte) map[string]int {
	lines := make(map[string]int)
	count := make(map[string]int) // of tables in an array, by path
	var p unstable.Parser
	p.Reset(text)
	table := "" // path of the table that is being read, with a dot
	for p.NextExpression() {
		node := p.Expression()
		parts, line := keyOf(&p, node)
		switch node.Kind {
		case unstable.KeyValue:
			path := table + strings.Join(parts, ".")
			lines[path] = line
			inside(&p, node.Value(), path, lines)
		case unstable.Table, unstable.ArrayTable:
			path := ""
			for i, part := range parts {
				path += part
				last := i == len(parts)-1
				if last && node.Kind == unstable.ArrayTable {
					count[path]++
				}
				if n := count[path]; n > 0 { // the latest of an array
					path = fmt.Sprintf("%s.%d", path, n-1)
				}
				if last {
					lines[path] = line
				}
				path += "."
			}
			table = path
		}
	}
	return lines
}

// keyOf returns the parts of the key of a node, and its line.
func keyOf(p *unstable.Parser, node *unstable.Node) (parts []string, line int) {
	for it := node.Key(); it.Next(); {
		key := it.Node()
		parts = append(parts, string(key.Data))
		if line == 0 {
			line = p.Shape(key.Raw).Start.Line
		}
	}
	return parts, line
}

// inside adds the lines of keys in inline tables, which may be in arrays.
func inside(p *unstable.Parser, value *unstable.Node, path string, lines map[string]int) {
	if value.Kind != unstable.InlineTable && value.Kind != unstable.Array {
		return
	}
	number := 0
	for it := value.Children(); it.Next(); number++ {
		node, at := it.Node(), fmt.Sprintf("%s.%d", path, number)
		if node.Kind == unstable.KeyValue {
			parts, line := keyOf(p, node)
			at = path + "." + strings.Join(parts, ".")
			lines[at] = line
			node = node.Value()
		}
		inside(p, node, at, lines)
	}
}

// line returns that of a key, or of what it is in. It is 1 for what is nowhere.
func (c *checker) line(path string) int {
	for {
		if n := c.lines[path]; n > 0 {
			return n
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return 1
		}
		path = path[:i]
	}
}
