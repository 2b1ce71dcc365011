package main

import "github.com/seed-41f70523/dtls-sctp/bench/svg"

// A sequence shows what two ends do, from top to bottom. The line of an end has the color of the
// SCTP-AUTH key that the end sends with.
type sequence struct {
	title string
	steps []step
}

// A step is one row.
type step struct {
	kind        kind
	left, right string // at the client and at the server, or left for both
}

type kind int

const (
	phase     kind = iota // what applies from here on
	toServer              // a record
	toClient              // the same from the server
	both                  // records in both directions
	does                  // an action of an end
	waits                 // what ends wait for
	clientKey             // an action; from here on the client sends with the new key
	serverKey             // the same for the server
)

const (
	width     = 760
	client    = 190
	server    = 570
	boxWidth  = 300
	boxHeight = 24
	size      = 13
)

var rowHeight = map[kind]float64{phase: 42, toServer: 34, toClient: 34, both: 34, does: 30,
	waits: 30, clientKey: 30, serverKey: 30}

func (s sequence) draw() []byte {
	height := 76.0
	for _, step := range s.steps {
		height += rowHeight[step.kind]
	}
	c := svg.New(s.title, width, height)
	c.Text(client, 30, 15, .5, svg.Bold, svg.Ink, "client")
	c.Text(server, 30, 15, .5, svg.Bold, svg.Ink, "server")
	legend := func(x float64, colour, text string) {
		c.Line(x, 25, x+16, 25, colour, 3)
		c.Text(x+22, 29, 12, 0, svg.Sans, svg.Ink, text)
	}
	legend(280, svg.Red, "under key 0")
	legend(390, svg.Green, "under key 1")
	const top, bottom = 44, 18
	s.life(c, client, clientKey, top, height-bottom)
	s.life(c, server, serverKey, top, height-bottom)
	y := float64(top)
	for _, step := range s.steps {
		step.draw(c, y)
		y += rowHeight[step.kind]
	}
	return c.SVG()
}

// life draws the line of the end at x, whose key changes in the step of kind change.
func (s sequence) life(c *svg.Canvas, x float64, change kind, top, bottom float64) {
	y := top
	for _, step := range s.steps {
		if step.kind == change {
			break
		}
		y += rowHeight[step.kind]
	}
	c.Line(x, top-4, x, y, svg.Red, 3)
	c.Line(x, y, x, bottom, svg.Green, 3)
}

func (s step) draw(c *svg.Canvas, y float64) {
	middle := y + rowHeight[s.kind]/2
	const gap = 6 // between the line of an end and a box
	switch s.kind {
	case phase:
		c.Box(20, middle-13, width-40, 26, "#ddf4ff", "#b6e3ff")
		c.Text(width/2, middle+5, size, .5, svg.Bold, svg.Blue, s.left)
	case toServer, toClient, both:
		c.Text((client+server)/2, middle, size, .5, svg.Sans, svg.Ink, s.left)
		from, to := float64(client+gap), float64(server-gap)
		if s.kind == toClient {
			from, to = to, from
		}
		if s.kind == both {
			c.Arrow(width/2, middle+7, client+gap, svg.Ink)
			from = width / 2
		}
		c.Arrow(from, middle+7, to, svg.Ink)
	default:
		fill, stroke := "#f6f8fa", svg.Faint
		switch s.kind {
		case waits:
			fill, stroke = "#fff8c5", "#d4a72c"
		case clientKey, serverKey:
			fill, stroke = "#dafbe1", svg.Green
		}
		for i, text := range []string{s.left, s.right} {
			if text != "" {
				x := float64(client + i*(server-client))
				c.Box(x-boxWidth/2, middle-boxHeight/2, boxWidth, boxHeight, fill, stroke)
				c.Text(x, middle+4.5, size, .5, svg.Sans, svg.Ink, text)
			}
		}
	}
}
