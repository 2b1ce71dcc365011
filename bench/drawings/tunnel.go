package main

import "github.com/seed-41f70523/dtls-sctp/bench/svg"

// tunnelled shows two daemons, each with an sctp-tunnel next to it, for docs/tunnel.md.
func tunnelled() []byte {
	const (
		height = 250
		inset  = 14
		host   = 296 // width of a host
		part   = 108 // width of a program in a host
	)
	c := svg.New("Two daemons that speak plain SCTP, each with an sctp-tunnel next to it: between "+
		"the hosts is DTLS over SCTP",
		width, height)
	program := func(x float64, fill, stroke, name, what string) {
		c.Box(x, 78, part, 76, fill, stroke)
		c.Text(x+part/2, 112, 14, .5, svg.Bold, svg.Ink, name)
		c.Text(x+part/2, 134, 11, .5, svg.Sans, svg.Ink, what)
	}
	for i, name := range []string{"host of the MME", "host of the HSS"} {
		x := float64(inset)
		if i == 1 {
			x = width - inset - host
		}
		c.Box(x, 44, host, 150, "#f6f8fa", svg.Faint)
		c.Text(x+host/2, 66, 13, .5, svg.Sans, svg.Ink, name)
		daemon, tunnel, role := x+10, x+host-10-part, "client"
		if i == 1 {
			daemon, tunnel, role = tunnel, daemon, "server"
		}
		program(daemon, "#ffffff", svg.Ink, []string{"MME", "HSS"}[i], "unchanged")
		program(tunnel, "#dafbe1", svg.Green, "sctp-tunnel", role)
		c.Arrow(x+10+part, 116, x+host-10-part, svg.Ink)
		c.Text(x+host/2, 106, 11, .5, svg.Sans, svg.Ink, "plain")
		c.Text(x+host/2, 132, 11, .5, svg.Sans, svg.Ink, "SCTP")
		c.Text(x+host/2, 182, 11, .5, svg.Mono, svg.Ink, "127.0.0.1:3868")
	}
	const left, right = inset + host - 10, width - inset - host + 10
	for _, y := range []float64{98, 134} {
		c.Arrow(left, y, right, svg.Green)
	}
	c.Text(width/2, 90, 12, .5, svg.Bold, svg.Green, "DTLS/SCTP")
	c.Text(width/2, 120, 11, .5, svg.Sans, svg.Ink, "all addresses")
	c.Text(width/2, 152, 11, .5, svg.Mono, svg.Ink, ":5868")
	c.Text(width/2, 28, 15, .5, svg.Bold, svg.Ink,
		"each association of a daemon is one connection between the hosts")
	c.Text(width/2, 224, 13, .5, svg.Sans, svg.Ink,
		"Messages, streams, order and endings are preserved. Protocol identifier 46 becomes 47, then "+
			"46 again.")
	return c.SVG()
}
