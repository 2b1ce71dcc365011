package sctpudp

import (
	"cmp"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// NewConfig converts options of package stream to a configuration of package sctpcore, with
// SCTP-AUTH. An option that sctpcore does not support is a *stream.OptionError.
func NewConfig(o *stream.Options) (*sctpcore.Config, error) {
	if o == nil {
		o = new(stream.Options)
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name  string
		set   bool
		value any
	}{
		{"Nagle", o.Nagle, o.Nagle},
		{"Scheduler", o.Scheduler != stream.SchedulerFCFS, o.Scheduler},
		{"InitTimeout", o.InitTimeout != 0, o.InitTimeout},
		{"AddressChanges", o.AddressChanges, o.AddressChanges},
		{"Control", o.Control != nil, "a function"},
	} {
		if f.set {
			return nil, &stream.OptionError{Option: f.name, Value: f.value,
				Remedy: "SCTP of this process does not have it; leave it out, or use that of the kernel"}
		}
	}
	rtoMax := cmp.Or(o.RTOMax, time.Minute)
	rtoMin := min(cmp.Or(o.RTOMin, time.Second), rtoMax)
	return &sctpcore.Config{
		OutStreams:            cmp.Or(o.OutStreams, 10), // as Linux
		MaxInStreams:          cmp.Or(o.MaxInStreams, stream.DefaultInStreams),
		MaxInitRetrans:        int(o.MaxInitAttempts),
		RTOInitial:            max(min(cmp.Or(o.RTOInitial, time.Second), rtoMax), rtoMin),
		RTOMin:                rtoMin,
		RTOMax:                rtoMax,
		HeartbeatInterval:     o.Heartbeat,
		AssociationMaxRetrans: int(o.AssocMaxRetrans),
		PathMaxRetrans:        int(o.PathMaxRetrans),
		SackDelay:             max(o.SACKDelay, 0),
		ReceiveWindow:         2 * o.ReadBuffer,
		SendBuffer:            2 * o.WriteBuffer,
		PartialReliability:    o.PartialReliability,
		RefuseRestart:         o.RefuseRestart,
		Auth:                  true,
		AuthChunks:            authchunk.DefaultChunks(),
	}, nil
}
