package main

// overview is what happens to messages, for the README.
func overview() []byte {
	const (
		height = 232
		left   = 190 // of the association
		right  = width - left
	)
	c := newCanvas("Messages on several streams of one SCTP association: each is a DTLS record, and each DATA chunk is authenticated", width, height)
	end := func(x float64, name, call string) {
		c.box(x, 44, 148, 134, "#f6f8fa", faint)
		c.text(x+74, 70, 15, .5, bold, ink, name)
		c.text(x+74, 110, 12, .5, mono, ink, "conn."+call)
		c.text(x+74, 132, 12, .5, sans, ink, "stream, PPID, bytes")
	}
	end(16, "client", "WriteMessage")
	end(width-164, "server", "ReadMessage")
	c.text(width/2, 28, 15, .5, bold, ink, "one SCTP association")
	c.box(left, 44, right-left, 134, "#dafbe1", green)
	records := []float64{0, 86, 172, 20, 130, 50, 158} // where they begin
	for i, n := range []int{3, 2, 2} {
		y := 66 + 32*float64(i)
		c.text(left+14, y+4, 12, 0, sans, ink, []string{"stream 0", "stream 1", "stream 3"}[i])
		c.arrow(left+76, y, right-12, ink)
		for _, at := range records[:n] {
			c.box(left+92+at, y-11, 66, 22, "#ddf4ff", blue)
			c.text(left+125+at, y+4, 11, .5, sans, blue, "record")
		}
		records = records[n:]
	}
	c.text(width/2, 166, 12, .5, sans, green, "SCTP-AUTH authenticates every DATA chunk")
	c.text(width/2, 208, 13, .5, sans, ink, "A message is one encrypted DTLS record. The DTLS handshake also makes the keys of SCTP-AUTH.")
	return c.svg()
}
