package sctpdtls

import (
	"sync"
	"sync/atomic"
)

// A gate holds application writes back while a handshake changes keys: no record
// of the old epoch may follow the ChangeCipherSpec (RFC 6083, Section 4.7).
// Passing an open gate costs a writer two atomic additions and no lock.
type gate struct {
	state atomic.Int32 // number of writers inside, plus gateShut

	mu     sync.Mutex    // guards the following
	empty  chan struct{} // closed when the last writer leaves a shut gate
	change chan struct{} // closed when those outside should look again; nil if none has asked
}

const gateShut = 1 << 30

// newGate returns a gate that is shut.
func newGate() *gate {
	g := new(gate)
	g.state.Store(gateShut)
	return g
}

// enter reports whether the gate is open; if so the caller must call leave soon.
func (g *gate) enter() bool {
	if g.state.Add(1)&gateShut == 0 {
		return true
	}
	g.leave()
	return false
}

func (g *gate) leave() {
	if g.state.Add(-1) == gateShut {
		g.isEmpty()
	}
}

// isEmpty is called when the last writer has left a gate that is shut.
func (g *gate) isEmpty() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.empty != nil {
		close(g.empty)
		g.empty = nil
	}
}

// shut closes the gate and waits until nobody is inside.
func (g *gate) shut() {
	empty := make(chan struct{})
	g.mu.Lock()
	g.empty = empty
	if g.state.Or(gateShut)&^gateShut == 0 {
		g.empty = nil
		close(empty)
	}
	g.mu.Unlock()
	<-empty
}

func (g *gate) isShut() bool { return g.state.Load()&gateShut != 0 }

func (g *gate) open() {
	g.state.And(^gateShut)
	g.poke()
}

// poke wakes all who wait for a change.
func (g *gate) poke() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.change != nil {
		close(g.change)
		g.change = nil
	}
}

// changed returns a channel that is closed at the next change. Get it before
// looking at the state that may change.
func (g *gate) changed() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.change == nil {
		g.change = make(chan struct{})
	}
	return g.change
}
