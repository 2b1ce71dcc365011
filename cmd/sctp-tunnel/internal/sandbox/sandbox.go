// Package sandbox removes this process's access to what a tunnel does not need once it listens:
// most files, all capabilities, and the ways to regain them.
package sandbox

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
