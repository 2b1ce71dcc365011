// Package svg draws figures that look the same in every viewer: text is converted to outlines, and
// the figure has its own background.
package svg

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"codeberg.org/go-fonts/liberation/liberationmonoregular"
	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Colors. All are readable on the background, which is part of the drawing, so that it looks the
// same on a dark page.
const (
	Paper = "#ffffff"
	Ink   = "#1f2328"
	Faint = "#d1d9e0"
	Blue  = "#0969da"
	Green = "#1a7f37"
	Red   = "#bc4c00"
)

// A Canvas collects the elements of an SVG drawing. Text becomes outlines, because a viewer may
// lack a font.
type Canvas struct {
	width, height float64
	title         string
	body          bytes.Buffer
	glyphs        map[string]string // outlines by name
}

// New returns an empty canvas.
func New(title string, width, height float64) *Canvas {
	return &Canvas{width: width, height: height, title: title, glyphs: make(map[string]string)}
}

// SVG returns the drawing.
func (c *Canvas) SVG() []byte {
	var b bytes.Buffer
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" `)
	const size = `width="%g" height="%g" viewBox="0 0 %[1]g %[2]g" role="img">` + "\n"
	fmt.Fprintf(&b, size, c.width, c.height)
	fmt.Fprintf(&b, "<title>%s</title>\n<defs>\n", Escape(c.title))
	names := make([]string, 0, len(c.glyphs))
	for name := range c.glyphs {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(&b, `<path id="%s" d="%s"/>`+"\n", name, c.glyphs[name])
	}
	b.WriteString("</defs>\n")
	const paper = `<rect x=".5" y=".5" width="%g" height="%g" rx="8" fill="%s" stroke="%s"/>` + "\n"
	fmt.Fprintf(&b, paper, c.width-1, c.height-1, Paper, Faint)
	b.Write(c.body.Bytes())
	b.WriteString("</svg>\n")
	return b.Bytes()
}

// Escape escapes text for XML.
func Escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// Printf adds a line of SVG.
func (c *Canvas) Printf(format string, args ...any) { fmt.Fprintf(&c.body, format+"\n", args...) }

// Line draws a straight line.
func (c *Canvas) Line(x1, y1, x2, y2 float64, colour string, width float64) {
	c.Printf(`<path d="M%g %gL%g %g" stroke="%s" stroke-width="%g"/>`, x1, y1, x2, y2, colour, width)
}

// Arrow draws a line with an arrowhead at its end.
func (c *Canvas) Arrow(x1, y, x2 float64, colour string) {
	const length, half = 9, 4
	back := x2 - length
	if x2 < x1 {
		back = x2 + length
	}
	c.Line(x1, y, back, y, colour, 1.5)
	c.Printf(`<path d="M%g %gL%g %gL%g %gz" fill="%s"/>`, x2, y, back, y-half, back, y+half, colour)
}

// Box draws a rectangle with rounded corners.
func (c *Canvas) Box(x, y, width, height float64, fill, stroke string) {
	c.Printf(`<rect x="%g" y="%g" width="%g" height="%g" rx="4" fill="%s" stroke="%s"/>`,
		x, y, width, height, fill, stroke)
}

// A Typeface is a Liberation font (SIL Open Font License, which allows its outlines in documents).
type Typeface struct {
	letter string // prefix of the names of its glyphs
	font   *sfnt.Font
}

// The typefaces.
var (
	Sans = parse("s", liberationsansregular.TTF)
	Bold = parse("b", liberationsansbold.TTF)
	Mono = parse("m", liberationmonoregular.TTF)
)

func parse(letter string, ttf []byte) *Typeface {
	f, err := sfnt.Parse(ttf)
	if err != nil {
		panic(err)
	}
	return &Typeface{letter, f}
}

// unit is the size at which outlines are stored, with integer coordinates.
const unit = 1000

// Text draws a line of text with its baseline at y. anchor 0, 0.5 or 1 places its start, middle or
// end at x.
func (c *Canvas) Text(x, y, size, anchor float64, face *Typeface, colour, s string) {
	x -= anchor * face.Width(s, size)
	c.Printf(`<g fill="%s" transform="translate(%.1f %.1f)scale(%g)">`, colour, x, y, size/unit)
	at := 0
	for _, r := range s {
		name := fmt.Sprintf("%s%x", face.letter, r)
		if r != ' ' {
			c.glyphs[name] = face.outline(r)
			fmt.Fprintf(&c.body, `<use href="#%s" x="%d"/>`, name, at)
		}
		at += face.advance(r)
	}
	c.Printf("</g>")
}

// Width returns the width of a text.
func (f *Typeface) Width(s string, size float64) float64 {
	sum := 0
	for _, r := range s {
		sum += f.advance(r)
	}
	return float64(sum) * size / unit
}

func (f *Typeface) glyph(r rune) sfnt.GlyphIndex {
	g, err := f.font.GlyphIndex(nil, r)
	if err != nil || g == 0 {
		panic(fmt.Sprintf("the font lacks %q", r))
	}
	return g
}

func (f *Typeface) advance(r rune) int {
	a, err := f.font.GlyphAdvance(nil, f.glyph(r), fixed.I(unit), font.HintingNone)
	if err != nil {
		panic(err)
	}
	return a.Round()
}

// outline returns a glyph as the data of an SVG path.
func (f *Typeface) outline(r rune) string {
	segments, err := f.font.LoadGlyph(nil, f.glyph(r), fixed.I(unit), nil)
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	points := map[sfnt.SegmentOp]int{
		sfnt.SegmentOpMoveTo: 1, sfnt.SegmentOpLineTo: 1,
		sfnt.SegmentOpQuadTo: 2, sfnt.SegmentOpCubeTo: 3,
	}
	for _, s := range segments {
		b.WriteByte("MLQC"[s.Op])
		for i, p := range s.Args[:points[s.Op]] {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprintf(&b, "%d %d", p.X.Round(), p.Y.Round())
		}
	}
	return b.String()
}
