package sctpsock

import (
	"testing"
	"time"
)

func TestMilliseconds(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want uint16
		ok   bool
	}{
		{0, 0, true},
		{1, 1, true}, // short is not none
		{time.Millisecond, 1, true},
		{time.Millisecond + 1, 2, true},
		{65535 * time.Millisecond, 65535, true},
		{65535*time.Millisecond + 1, 0, false},
		{-1, 0, false},
		{1<<63 - 1, 0, false},
	}
	for _, tt := range tests {
		got, err := fieldMS[uint16]("InitTimeout", tt.d)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%v is %d ms, error %v, want %d", tt.d, got, err, tt.want)
		}
	}
	if _, err := fieldMS[uint32]("RTOMax", 1<<63-1); err == nil {
		t.Error("a time of centuries is accepted")
	}
}
