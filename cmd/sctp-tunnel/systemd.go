package main

import (
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// A notifier notifies systemd (sd_notify(3)). Without systemd it does nothing.
type notifier struct{ interval time.Duration } // of the watchdog; 0: none

func newNotifier() notifier {
	interval, err := daemon.SdWatchdogEnabled(false)
	if err != nil { // for another process, or set incorrectly
		interval = 0
	}
	return notifier{interval}
}

// Nobody could be notified of an error.
func (notifier) send(state string) { daemon.SdNotify(false, state) }

func (n notifier) ready()    { n.send(daemon.SdNotifyReady) }
func (n notifier) stopping() { n.send(daemon.SdNotifyStopping) }
func (n notifier) watchdog() { n.send(daemon.SdNotifyWatchdog) }

func (n notifier) reloading() {
	n.send(daemon.SdNotifyReloading + "\n" + daemon.SdNotifyMonotonicUsec())
}

// alive returns a ticker for watchdog, twice in each interval, or one that never ticks.
func (n notifier) alive() *ticker { return newTicker(n.interval / 2) }
