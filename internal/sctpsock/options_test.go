package sctpsock

import (
	"errors"
	"math"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

func TestOptionErrors(t *testing.T) {
	minute := time.Minute
	for field, o := range map[string]Options{
		"InitTimeout":       {InitTimeout: time.Hour},
		"RTOInitial":        {RTOInitial: -1},
		"RTOMin":            {RTOMin: 25 * time.Hour},
		"RTOMax":            {RTOMax: -time.Second},
		"RTOMin and RTOMax": {RTOMin: 2 * time.Second, RTOMax: time.Second},
		"Heartbeat":         {Heartbeat: 25 * time.Hour},
		"SACKDelay":         {SACKDelay: &minute},
		"ReadBuffer":        {ReadBuffer: -1},
		"WriteBuffer":       {WriteBuffer: math.MaxInt32},
	} {
		err := o.check()
		e, ok := errtype.As[*OptionError](err)
		if !ok || e.Option != field || e.Remedy == "" || !errors.Is(err, syscall.EINVAL) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	half := time.Second / 2
	for _, o := range []Options{
		{},
		{Heartbeat: -1, SACKDelay: &half, RTOMin: 20 * time.Millisecond},
		{RTOMin: time.Second, RTOMax: time.Second},
	} {
		if err := o.check(); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
