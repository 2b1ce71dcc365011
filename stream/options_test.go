package stream

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestOptionErrors(t *testing.T) {
	for field, o := range map[string]Options{
		"InitTimeout":       {InitTimeout: time.Hour},
		"RTOInitial":        {RTOInitial: -1},
		"RTOMin":            {RTOMin: 25 * time.Hour},
		"RTOMax":            {RTOMax: -time.Second},
		"RTOMin and RTOMax": {RTOMin: 2 * time.Second, RTOMax: time.Second},
		"Heartbeat":         {Heartbeat: 25 * time.Hour},
		"SACKDelay":         {SACKDelay: time.Minute},
		"ReadBuffer":        {ReadBuffer: -1},
		"WriteBuffer":       {WriteBuffer: math.MaxInt32},
	} {
		err := o.Check()
		e, ok := err.(*OptionError)
		if !ok || e.Option != field || e.Remedy == "" || !errors.Is(err, syscall.EINVAL) ||
			!strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, o := range []Options{
		{},
		{SACKDelay: -1},
		{Heartbeat: -1, SACKDelay: time.Second / 2, RTOMin: 20 * time.Millisecond},
		{RTOMin: time.Second, RTOMax: time.Second},
	} {
		if err := o.Check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
