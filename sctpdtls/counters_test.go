package sctpdtls

import "testing"

// What flows one way of late is one-way, whatever there was before: a flow that follows an exchange
// of requests and answers, and an exchange that follows a flow.
func TestOneWay(t *testing.T) {
	var n counters
	exchange := func(times, sent, received int) (oneWay bool) {
		for range times {
			for range sent {
				n.sent(1)
				oneWay = n.oneWay()
			}
			for range received {
				n.received(1)
			}
		}
		return oneWay
	}
	for i, tt := range []struct {
		times, sent, received int
		oneWay                bool // at the end
	}{
		{1000, 1, 1, false},
		{flow, 1, 0, false},
		{2, 1, 0, true},
		{1000, 1, 0, true},
		{flow / 4, 1, 1, true},
		{1, 1, 1, false},
		{100, 2, 1, false},
		{100, 10, 1, true}, // now and then an answer
		{100, 1, 1, false},
		{1000, 0, 10, false},
		{flow + 2, 1, 0, true},
	} {
		if got := exchange(tt.times, tt.sent, tt.received); got != tt.oneWay {
			t.Errorf("step %d: %v", i, got)
		}
	}
}
