package tunnel

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// What refuses the protocol of tunnels may be replaced by a tunnel, and a refusal may be forged:
// neither is authenticated. So it does not count forever, also where nothing probes the target.
func TestRefusalIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRun(&Service{Role: Client, Redirect: true})
		r.setWantsOther("a", true)
		time.Sleep(refusalTime - 1)
		if !r.wantsOther("a") || r.wantsOther("b") {
			t.Error("a refusal does not count for its target alone")
		}
		time.Sleep(time.Nanosecond)
		if r.wantsOther("a") || len(r.others) > 0 {
			t.Errorf("a refusal still counts after %v", refusalTime)
		}
		r.setWantsOther("a", true)
		if r.setWantsOther("a", false); r.wantsOther("a") {
			t.Error("a refusal counts after the target was reached")
		}
	})
}

// When a peer ends all associations at the same time, each is taken for ended before it is gone, so
// that the last one closes the gate.
func TestLastLeaves(t *testing.T) {
	g := &gate{run: newRun(&Service{Role: Client})}
	all := []func() bool{g.enter(), g.enter(), g.enter()}
	for i, leave := range all {
		if last := leave(); last != (i == len(all)-1) {
			t.Errorf("association %d of %d: last %v", i+1, len(all), last)
		}
	}
	for _, leave := range all {
		leave() // when it is gone
	}
	if g.carried != 0 {
		t.Errorf("%d associations are left", g.carried)
	}
	if leave := g.enter(); !leave() {
		t.Error("the only association is not the last")
	}
}

// A name may be looked up later: DNS may not be there yet at the start of a host.
func TestCheckUnknownName(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // the lookup fails at once
	s := &Service{Role: Client, Listen: "127.0.0.1:1", Target: "hss.example.org:5868",
		TLS: func() *sctpdtls.Config { return new(sctpdtls.Config) }}
	if err := s.Check(ctx); err != nil {
		t.Error(err)
	}
	s.Target = "a:b:c"
	if err := s.Check(ctx); err == nil {
		t.Error("no error for what is no address")
	}
}
