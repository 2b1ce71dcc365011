package report

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/bench/svg"
)

// A chart is a bar chart of ratios, in groups, with a line at 1.
type chart struct {
	title, below string
	legend       []string
	groups       []group
}

type group struct {
	words string
	bars  []bar
}

type bar struct{ value float64 }

// colours are the colors of bars, from the smallest size to the largest. Each contrasts with the
// paper and with its neighbors.
var colours = []string{"#9ec5fe", "#6ea8fe", "#3d8bfd", "#0a58ca", "#052c65"}

// inside are the colors of text in the bars.
var inside = []string{svg.Ink, svg.Ink, svg.Paper, svg.Paper, svg.Paper}

// Charts draws the most important ratios of r into folder.
func Charts(folder string, r *measure.Report) error {
	byOpenSSL := chart{
		title: "The same work carries how many times as many messages as OpenSSL's DTLS 1.2?",
		below: "OpenSSL is 1. DTLS 1.2, SHA-1, one association; " +
			"one way the better of WriteMessage and WriteMessages.",
	}
	byAuth := chart{title: "What DTLS costs an application that has SCTP-AUTH already",
		below: "Bare SCTP-AUTH in Go is 1. DTLS 1.2, SHA-1, one association."}
	for _, size := range association.Sizes {
		words := fmt.Sprintf("%d B", size)
		byOpenSSL.legend, byAuth.legend = append(byOpenSSL.legend, words), append(byAuth.legend, words)
	}
	for _, kind := range kinds {
		a, b := group{words: kind.words}, group{words: kind.words}
		for _, size := range association.Sizes {
			contest := fmt.Sprintf("%s/%d/1 associations/1 streams", kind.contest, size)
			ours, bare := best(r, contest, "dtls1.2"), best(r, contest, "auth in Go")
			openssl, ok := r.Value(contest, "openssl", "messages/s")
			if !ok || ours == 0 || bare == 0 {
				return nil // it was not measured
			}
			a.bars = append(a.bars, bar{value: ours / openssl})
			b.bars = append(b.bars, bar{value: ours / bare})
		}
		byOpenSSL.groups, byAuth.groups = append(byOpenSSL.groups, a), append(byAuth.groups, b)
	}
	for name, c := range map[string]chart{"openssl.svg": byOpenSSL, "auth.svg": byAuth} {
		if err := os.WriteFile(filepath.Join(folder, name), c.draw(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// best returns the number of messages per second of a program with the faster way to send.
func best(r *measure.Report, contest, program string) float64 {
	one, _ := r.Value(contest, program, "messages/s")
	batch, _ := r.Value(contest, program+" batch", "messages/s")
	return max(one, batch)
}

func (c *chart) draw() []byte {
	const (
		width, height     = 760, 330
		left, right       = 56, 20
		top, bottom       = 84, 64
		barWidth, between = 38, 4
	)
	most := 1.0
	for _, g := range c.groups {
		for _, b := range g.bars {
			most = max(most, b.value)
		}
	}
	most += 0.1
	d := svg.New(c.title, width, height)
	y := func(v float64) float64 { return top + (height-top-bottom)*(1-v/most) }
	d.Text(left, 30, 16, 0, svg.Bold, svg.Ink, c.title)
	x := float64(left)
	for i, words := range c.legend {
		d.Printf(`<rect x="%g" y="46" width="12" height="12" fill="%s"/>`, x, colours[i])
		d.Text(x+17, 57, 13, 0, svg.Sans, svg.Ink, words)
		x += 30 + svg.Sans.Width(words, 13)
	}
	for v := 0.0; v < most; v += 0.25 {
		colour, thickness := svg.Faint, 1.0
		if v == 0 {
			colour = svg.Ink
		}
		d.Line(left, y(v), width-right, y(v), colour, thickness)
		d.Text(left-8, y(v)+4, 12, 1, svg.Sans, svg.Ink, fmt.Sprintf("%.2f", v))
	}
	step := float64(width-left-right) / float64(len(c.groups))
	for i, g := range c.groups {
		middle := left + step*(float64(i)+.5)
		x := middle - float64(len(g.bars))*(barWidth+between)/2
		for j, b := range g.bars {
			d.Printf(`<rect x="%.1f" y="%.1f" width="%d" height="%.1f" fill="%s"/>`,
				x, y(b.value), barWidth, y(0)-y(b.value), colours[j])
			d.Text(x+barWidth/2, y(0)-8, 12, .5, svg.Sans, inside[j], fmt.Sprintf("%.2f", b.value))
			x += barWidth + between
		}
		d.Text(middle, height-bottom+20, 13, .5, svg.Sans, svg.Ink, g.words)
	}
	d.Line(left, y(1), width-right, y(1), svg.Red, 1.5)
	d.Text(left, height-16, 12, 0, svg.Sans, svg.Ink, c.below)
	return d.SVG()
}
