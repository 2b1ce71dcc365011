package main

import "github.com/seed-41f70523/dtls-sctp/bench/svg"

// overview shows what happens to messages, for the README.
func overview() []byte {
	const (
		height = 232
		left   = 190 // of the association
		right  = width - left
	)
	c := svg.New(
		"Messages on several streams of one SCTP association: each is a DTLS record, "+
			"and each DATA chunk is authenticated", width, height)
	end := func(x float64, name, call string) {
		c.Box(x, 44, 148, 134, "#f6f8fa", svg.Faint)
		c.Text(x+74, 70, 15, .5, svg.Bold, svg.Ink, name)
		c.Text(x+74, 110, 12, .5, svg.Mono, svg.Ink, "conn."+call)
		c.Text(x+74, 132, 12, .5, svg.Sans, svg.Ink, "stream, PPID, bytes")
	}
	end(16, "client", "WriteMessage")
	end(width-164, "server", "ReadMessage")
	c.Text(width/2, 28, 15, .5, svg.Bold, svg.Ink, "one SCTP association")
	c.Box(left, 44, right-left, 134, "#dafbe1", svg.Green)
	records := []float64{0, 86, 172, 20, 130, 50, 158} // where they start
	for i, n := range []int{3, 2, 2} {
		y := 66 + 32*float64(i)
		c.Text(left+14, y+4, 12, 0, svg.Sans, svg.Ink, []string{"stream 0", "stream 1", "stream 3"}[i])
		c.Arrow(left+76, y, right-12, svg.Ink)
		for _, at := range records[:n] {
			c.Box(left+92+at, y-11, 66, 22, "#ddf4ff", svg.Blue)
			c.Text(left+125+at, y+4, 11, .5, svg.Sans, svg.Blue, "record")
		}
		records = records[n:]
	}
	c.Text(width/2, 166, 12, .5, svg.Sans, svg.Green, "SCTP-AUTH authenticates every DATA chunk")
	c.Text(width/2, 208, 13, .5, svg.Sans, svg.Ink,
		"A message is one encrypted DTLS record. The DTLS handshake also makes the keys of SCTP-AUTH.")
	return c.SVG()
}
