package sctpdtls

// growStack grows the stack of the calling goroutine at once to what a handshake needs. Otherwise
// the runtime doubles it several times, and each time copies it with more calls on it. It is called
// when the peer has sent something: an association whose peer is silent keeps a small stack.
func growStack() { useStack(0) }

// handshakeStack is the size of the frame of useStack, in bytes. With it, the stack has 16 KB.
const handshakeStack = 12 << 10

// useStack has a frame of that size, which the runtime makes room for when it is called. With n = 0
// it does not write to the frame.
//
//go:noinline
func useStack(n int) byte {
	if n == 0 {
		return 0
	}
	var frame [handshakeStack]byte
	for i := range frame[:n] {
		frame[i] = byte(i)
	}
	return frame[n/2]
}
