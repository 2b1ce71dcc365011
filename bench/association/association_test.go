package association

import "testing"

func TestCommand(t *testing.T) {
	for _, test := range []struct {
		program Program
		kind    string
		want    string
	}{
		{dtls, "discard", "discard 64"},
		{dtls.batched(), "discard", "batch 64 32"},
		{openssl, "echo1", "echo 64 1"},
		{authGo, "echo32", "echo 64 32"},
	} {
		if got := test.program.command(test.kind, 64); got != test.want {
			t.Errorf("%s, %s: %q, want %q", test.program.Name, test.kind, got, test.want)
		}
	}
}

// Programs share a peer if they differ in how they send only, and no two of them a name.
func TestPrograms(t *testing.T) {
	if dtls.peer() != dtls.batched().peer() {
		t.Error("batches need a peer of their own")
	}
	peers := make(map[Program]string)
	for _, p := range []Program{dtls, dtls13, dtls.sha256(), dtls.resumed(), openssl, openssl0, authGo,
		plainGo} {
		if other, ok := peers[p.peer()]; ok {
			t.Errorf("%s and %s share a peer", p.Name, other)
		}
		peers[p.peer()] = p.Name
	}
	for _, s := range shapes {
		names := make(map[string]bool)
		for _, p := range s.programs {
			if names[p.Name] {
				t.Errorf("%s has two programs %s", s.part, p.Name)
			}
			names[p.Name] = true
		}
	}
}
