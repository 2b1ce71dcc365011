// Package sandbox removes this process's access to what a tunnel does not need once it listens:
// most files, all capabilities, and the ways to regain them.
package sandbox

import (
	"fmt"
	"os/user"
)

// LookupUser returns a user by name or number.
func LookupUser(name string) (*user.User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		if u, err = user.LookupId(name); err != nil {
			return nil, fmt.Errorf("unknown user %.80q: use an existing user", name)
		}
	}
	return u, nil
}

// Options say what the process keeps.
type Options struct {
	// Read are files that are read again later, with their folders, in which they may be replaced.
	Read []string
	// Remove are files that are removed when the process ends.
	Remove []string
	// LowPorts keeps CAP_NET_BIND_SERVICE, for ports below 1024 that are bound later.
	LowPorts bool
	// User is the user to switch to, by name or number; if it is empty, the user stays the same.
	User string
}

// A Report says what was removed.
type Report struct {
	Landlock   int  // version of the kernel's Landlock; 0: none, so access to files is not restricted
	Privileges bool // no_new_privs is set: programs cannot gain privileges
	Kept       string
	UID        int
}
