package sctpcore

import "fmt"

// invariants returns the invariants of an association that do not hold after NextPacket has
// returned its last packet.
func (a *Assoc) invariants() error {
	o, in := &a.out, &a.in
	flights, refs := map[*path]int{}, map[*sharedKey]int{}
	buffered, agains, gaps, inFlight, n, timers := 0, 0, 0, 0, 0, 0
	for tsn := o.acked + 1; before(tsn, o.next); tsn++ {
		c := o.outstanding.get(tsn)
		if c == nil || c.tsn != tsn {
			return fmt.Errorf("TSN %d is not outstanding", tsn)
		}
		n++
		if !c.abandoned {
			buffered += len(c.data)
		}
		if c.again {
			agains++
		}
		if c.acked {
			gaps++
		}
		if c.inFlight {
			inFlight += len(c.data)
			flights[c.path] += c.size()
		}
		if k := b2i(c.inFlight) + b2i(c.again) + b2i(c.acked || c.abandoned); k != 1 {
			return fmt.Errorf("TSN %d: in flight %v, again %v, acked %v, abandoned %v", tsn, c.inFlight,
				c.again, c.acked, c.abandoned)
		}
		if c.key != nil {
			refs[c.key]++
		}
	}
	queued := 0
	for c := o.queue; c != nil; c = c.next {
		queued++
		buffered += len(c.data)
		if c.key != nil {
			refs[c.key]++
		}
	}
	switch {
	case n != o.outstanding.count:
		return fmt.Errorf("%d outstanding, counted %d", n, o.outstanding.count)
	case buffered != o.buffered || agains != o.agains || gaps != o.gaps || inFlight != o.inFlight ||
		queued != o.queued:
		return fmt.Errorf("buffered %d %d, again %d %d, gaps %d %d, in flight %d %d, queued %d %d",
			buffered, o.buffered, agains, o.agains, gaps, o.gaps, inFlight, o.inFlight, queued, o.queued)
	}
	for _, p := range a.paths {
		if p.flight != flights[p] {
			return fmt.Errorf("path %v: %d in flight, counted %d", p.peer, p.flight, flights[p])
		}
		if p.flight > 0 && p.t3 == never {
			return fmt.Errorf("path %v: %d in flight without T3-rtx", p.peer, p.flight)
		}
		timers += b2i(p.t3 != never)
		if p.mtu > max(a.config.MaxMTU, a.config.MTU) || p.mtu < minPLPMTU || p.probes > maxProbes ||
			p.probed != 0 && (p.probed > a.config.MaxMTU || p.probed <= p.mtu ||
				p.probeAt == never && !p.sendProbe) {
			return fmt.Errorf("path %v: %+v", p.peer, p.plpmtu)
		}
		used := p.state == PathActive || p.state == PathPotentiallyFailed
		if used && a.pmdcs(p.mtu) < a.cut {
			return fmt.Errorf("path %v: packets of %d bytes, chunks of %d", p.peer, p.mtu, a.cut)
		}
	}
	if a.mayData() {
		if n > 0 && timers == 0 {
			return fmt.Errorf("%d outstanding, and nothing will ever happen", n)
		}
		if n == 0 && queued > 0 && a.out.windowProbeAt == never {
			return fmt.Errorf("%d queued and nothing is sent", queued)
		}
	}
	for k, r := range refs {
		if k.refs != r {
			return fmt.Errorf("key %d: %d references, counted %d", k.id, k.refs, r)
		}
	}
	return in.invariants(a)
}

func (in *inbound) invariants(a *Assoc) error {
	bytes, memory, chunks := 0, 0, 0
	each := func(c *inChunk) {
		for ; c != nil; c = c.next {
			bytes += len(c.data)
			memory += c.cost()
			chunks++
		}
	}
	each(in.ready.first)
	each(in.behind.first)
	if n := in.ready.pushed + in.behind.pushed - in.taken; n != uint64(chunks) {
		return fmt.Errorf("%d chunks can be read, counted %d", n, chunks)
	}
	for _, s := range in.streams {
		for m := s.waiting; m != nil; m = m.waiting {
			each(m)
			if !ssnBefore(s.next, m.ssn) {
				return fmt.Errorf("SSN %d waits for %d", m.ssn, s.next)
			}
		}
	}
	n := 0
	for _, c := range in.fragments.slots {
		if c != nil {
			n++
			bytes += len(c.data)
			memory += c.cost()
			left, right := in.fragments.get(c.tsn-1), in.fragments.get(c.tsn+1)
			if left != nil && c.joins(left) {
				continue
			}
			last := c
			for ; right != nil && right.joins(last); right = in.fragments.get(last.tsn + 1) {
				last = right
			}
			if c.other != last.tsn || last.other != c.tsn {
				return fmt.Errorf("a run from TSN %d to %d, whose ends store %d and %d", c.tsn, last.tsn,
					c.other, last.other)
			}
		}
	}
	switch {
	case n != in.fragments.count:
		return fmt.Errorf("%d fragments, counted %d", in.fragments.count, n)
	case bytes != in.bytes || memory != in.memory:
		return fmt.Errorf("inbound %d bytes, counted %d; %d memory, counted %d", in.bytes, bytes,
			in.memory, memory)
	case memory > 8*a.config.ReceiveWindow+storageSizes[len(storageSizes)-1]+inChunkCost:
		return fmt.Errorf("%d bytes of memory for a window of %d", memory, a.config.ReceiveWindow)
	case 8*len(in.fragments.slots) > max(2*a.config.ReceiveWindow, 8*1024):
		return fmt.Errorf("a ring of %d fragments for a window of %d", len(in.fragments.slots),
			a.config.ReceiveWindow)
	case len(a.events) > 2*maxEvents || len(in.streams) > int(a.inStreams) ||
		len(in.duplicates) > maxDuplicates:
		return fmt.Errorf("%d events, %d streams, %d duplicates", len(a.events), len(in.streams),
			len(in.duplicates))
	case before(in.highest, in.cum) || in.has(in.cum+1):
		return fmt.Errorf("cumulative TSN %d, highest %d", in.cum, in.highest)
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// check fails the test if an invariant does not hold at either end.
func (n *simNet) check() {
	n.t.Helper()
	for _, h := range n.hosts {
		for _, e := range h.ends {
			if err := e.assoc.invariants(); err != nil {
				n.t.Fatalf("host %d at %v: %v", h.index, n.now, err)
			}
			if at := e.assoc.NextTimeout(); at < n.now {
				n.t.Fatalf("host %d at %v: a timer of %v", h.index, n.now, at)
			}
		}
	}
}
