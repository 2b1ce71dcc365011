package main

// A sequence is a drawing of what two ends do, from top to bottom. The line of an end has the
// colour of the SCTP-AUTH key under which it sends.
type sequence struct {
	title string
	steps []step
}

// A step is one row.
type step struct {
	kind        kind
	left, right string // at the client, at the server; or left alone
}

type kind int

const (
	phase     kind = iota // what holds from here on
	toServer              // a record
	toClient              // likewise
	both                  // records of both
	does                  // what ends do by themselves
	waits                 // what ends wait for
	clientKey             // does, and the client sends under the new key from here on
	serverKey             // likewise
)

const (
	width     = 760
	client    = 190
	server    = 570
	boxWidth  = 300
	boxHeight = 24
	size      = 13
)

var rowHeight = map[kind]float64{phase: 42, toServer: 34, toClient: 34, both: 34, does: 30, waits: 30, clientKey: 30, serverKey: 30}

func (s sequence) draw() []byte {
	height := 76.0
	for _, step := range s.steps {
		height += rowHeight[step.kind]
	}
	c := newCanvas(s.title, width, height)
	c.text(client, 30, 15, .5, bold, ink, "client")
	c.text(server, 30, 15, .5, bold, ink, "server")
	legend := func(x float64, colour, text string) {
		c.line(x, 25, x+16, 25, colour, 3)
		c.text(x+22, 29, 12, 0, sans, ink, text)
	}
	legend(280, red, "under key 0")
	legend(390, green, "under key 1")
	const top, bottom = 44, 18
	s.life(c, client, clientKey, top, height-bottom)
	s.life(c, server, serverKey, top, height-bottom)
	y := float64(top)
	for _, step := range s.steps {
		step.draw(c, y)
		y += rowHeight[step.kind]
	}
	return c.svg()
}

// life draws the line of the end at x, which changes its key in the step of a kind.
func (s sequence) life(c *canvas, x float64, change kind, top, bottom float64) {
	y := top
	for _, step := range s.steps {
		if step.kind == change {
			break
		}
		y += rowHeight[step.kind]
	}
	c.line(x, top-4, x, y, red, 3)
	c.line(x, y, x, bottom, green, 3)
}

func (s step) draw(c *canvas, y float64) {
	middle := y + rowHeight[s.kind]/2
	const gap = 6 // from the line of an end
	switch s.kind {
	case phase:
		c.box(20, middle-13, width-40, 26, "#ddf4ff", "#b6e3ff")
		c.text(width/2, middle+5, size, .5, bold, blue, s.left)
	case toServer, toClient, both:
		c.text((client+server)/2, middle, size, .5, sans, ink, s.left)
		from, to := float64(client+gap), float64(server-gap)
		if s.kind == toClient {
			from, to = to, from
		}
		if s.kind == both {
			c.arrow(width/2, middle+7, client+gap, ink)
			from = width / 2
		}
		c.arrow(from, middle+7, to, ink)
	default:
		fill, stroke := "#f6f8fa", faint
		switch s.kind {
		case waits:
			fill, stroke = "#fff8c5", "#d4a72c"
		case clientKey, serverKey:
			fill, stroke = "#dafbe1", green
		}
		for i, text := range []string{s.left, s.right} {
			if text != "" {
				x := float64(client + i*(server-client))
				c.box(x-boxWidth/2, middle-boxHeight/2, boxWidth, boxHeight, fill, stroke)
				c.text(x, middle+4.5, size, .5, sans, ink, text)
			}
		}
	}
}
