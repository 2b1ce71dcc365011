package profile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/bench/svg"
)

// A node is a bar of a drawing, with the bars that it consists of.
type node struct {
	name         string
	instructions float64
	children     map[string]*node
}

func (n *node) add(instructions float64, names ...string) {
	n.instructions += instructions
	if len(names) == 0 {
		return
	}
	if n.children == nil {
		n.children = make(map[string]*node)
	}
	child := n.children[names[0]]
	if child == nil {
		child = &node{name: names[0]}
		n.children[names[0]] = child
	}
	child.add(instructions, names[1:]...)
}

// sorted returns the parts of n, largest first, except those smaller than least.
func (n *node) sorted(least float64) []*node {
	return slices.SortedFunc(func(yield func(*node) bool) {
		for child := range maps.Values(n.children) {
			if child.instructions >= least && !yield(child) {
				return
			}
		}
	}, func(a, b *node) int {
		return cmp.Or(cmp.Compare(b.instructions, a.instructions), cmp.Compare(a.name, b.name))
	})
}

// fills are the colors of wholes; their parts and functions are paler.
var fills = map[string][3]string{
	kernel:    {"#ffb77c", "#ffd3ac", "#ffe7d1"},
	crypto:    {"#b4a7f5", "#d0c8fa", "#e6e2fd"},
	ours:      {"#6fdd8b", "#a6ecb7", "#d2f6db"},
	goRuntime: {"#80ccff", "#b6e3ff", "#ddf4ff"},
	rest:      {"#d1d9e0", "#e3e8ed", "#f2f4f6"},
}

const (
	drawingWidth = 960
	margin       = 16
	rowHeight    = 26
	top          = 48
)

// Draw returns a drawing of p: wholes, parts and functions from top to bottom, each with a width
// proportional to its instructions.
func (p *Profile) Draw(title string) []byte {
	root := new(node)
	for _, f := range p.Functions {
		root.add(f.Instructions, f.Place.Whole, f.Place.Part, shorten(f.Name))
	}
	root.name = title + ": " + Thousands(root.instructions) + " instructions, both ends and kernel"
	const height = top + 3*rowHeight + 2*margin + 12
	c := svg.New(root.name, drawingWidth, height)
	c.Text(margin, 30, 15, 0, svg.Bold, svg.Ink, root.name)
	scale := (drawingWidth - 2*margin) / root.instructions
	x, legend := float64(margin), float64(margin)
	for _, whole := range root.sorted(0) {
		whole.draw(c, x, scale, 0, fills[whole.name])
		x += whole.instructions * scale
		c.Printf(`<rect x="%.1f" y="%d" width="12" height="12" fill="%s"/>`,
			legend, height-margin-11, fills[whole.name][0])
		text := whole.name + " " + Thousands(whole.instructions)
		c.Text(legend+17, height-margin, 12, 0, svg.Sans, svg.Ink, text)
		legend += 38 + svg.Sans.Width(text, 12)
	}
	return c.SVG()
}

func (n *node) draw(c *svg.Canvas, x, scale float64, depth int, fill [3]string) {
	width, y := n.instructions*scale, top+float64(depth)*rowHeight
	c.Printf(`<rect x="%.1f" y="%.0f" width="%.1f" height="%d" fill="%s" stroke="%s">`,
		x, y, width, rowHeight, fill[depth], svg.Paper)
	c.Printf("<title>%s: %s</title></rect>", svg.Escape(n.name), Thousands(n.instructions))
	text := n.name + " " + Thousands(n.instructions)
	for _, t := range []string{text, n.name} {
		if svg.Sans.Width(t, 11) < width-6 {
			c.Text(x+3, y+17, 11, 0, svg.Sans, svg.Ink, t)
			break
		}
	}
	const narrowest = 4 // width of a bar; smaller ones are combined
	children := n.sorted(narrowest / scale)
	small := &node{name: "others", instructions: n.instructions}
	for _, child := range children {
		small.instructions -= child.instructions
	}
	if len(n.children) > 0 && small.instructions*scale > 1 {
		children = append(children, small)
	}
	for _, child := range children {
		child.draw(c, x, scale, depth+1, fill)
		x += child.instructions * scale
	}
}

// shorten removes the path from the name of a function.
func shorten(name string) string {
	at := strings.LastIndexByte(name[:max(0, strings.IndexAny(name+"[(", "[("))], '/')
	return name[at+1:]
}

// Thousands formats a number with commas between groups of three digits.
func Thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for at := len(s) - 3; at > 0; at -= 3 {
		s = s[:at] + "," + s[at:]
	}
	return s
}

// Table returns a Markdown table of profiles, one per column. It lists the parts of the kernel, and
// those of other wholes only if everyPart is set.
func Table(profiles []Profile, heads []string, everyPart bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| instructions | | %s |\n", strings.Join(heads, " | "))
	fmt.Fprintf(&b, "|---|---|%s\n", strings.Repeat("--:|", len(heads)))
	row := func(whole, part string, want func(Place) bool) {
		fmt.Fprintf(&b, "| %s | %s |", whole, part)
		for _, p := range profiles {
			fmt.Fprintf(&b, " %s |", Thousands(p.Sum(want)))
		}
		b.WriteByte('\n')
	}
	row("all", "", func(Place) bool { return true })
	for _, whole := range []string{kernel, crypto, ours, goRuntime, rest} {
		if whole != kernel && !everyPart {
			row(whole, "", func(p Place) bool { return p.Whole == whole })
			continue
		}
		words := whole
		for _, part := range partsOf(profiles, whole) {
			row(words, part, func(p Place) bool { return p == Place{whole, part} })
			words = ""
		}
	}
	return b.String()
}

// partsOf returns the parts of a whole in all profiles, largest first.
func partsOf(profiles []Profile, whole string) []string {
	parts := make(map[string]float64)
	for _, p := range profiles {
		for _, f := range p.Functions {
			if f.Place.Whole == whole {
				parts[f.Place.Part] += f.Instructions
			}
		}
	}
	return slices.SortedFunc(maps.Keys(parts), func(a, b string) int {
		return cmp.Or(cmp.Compare(parts[b], parts[a]), cmp.Compare(a, b))
	})
}
