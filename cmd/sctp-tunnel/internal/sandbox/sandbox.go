// Package sandbox takes from this process what a tunnel does not need once it listens: most files,
// all capabilities, and the ways to get them back.
package sandbox

// Options say what stays.
type Options struct {
	// Read are files that are read again later, with the folders in which they are replaced.
	Read []string
	// Remove are files that are removed at the end.
	Remove []string
	// LowPorts keeps CAP_NET_BIND_SERVICE, for ports below 1024 that are bound again later.
	LowPorts bool
	// User is whom to become: a name or a number; empty: nobody else.
	User string
}

// A Report says what was taken.
type Report struct {
	Landlock   int  // version of the kernel's Landlock; 0: it has none, and all files stay
	Privileges bool // none can be got by running a program (no_new_privs)
	Kept       string
	UID        int
}
