package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/landlock-lsm/go-landlock/landlock"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/cap"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Enter removes from all threads of this process what o does not keep. Without Landlock in the
// kernel it does the rest, and the [Report] says so. After an error the process should exit,
// because some of it may be done.
func Enter(o Options) (Report, error) {
	r := Report{UID: os.Getuid()}
	// A core dump contains keys.
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return r, fmt.Errorf("disabling core dumps: %w", err)
	}
	if err := dropBounds(); err != nil {
		return r, fmt.Errorf("dropping capabilities: %w", err)
	}
	if o.User != "" {
		if err := become(o.User); err != nil {
			return r, err
		}
		r.UID = os.Getuid()
	}
	if err := drop(o.LowPorts); err != nil {
		return r, fmt.Errorf("dropping capabilities: %w", err)
	}
	r.Kept = cap.GetProc().String()
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0,
		0); errno != 0 {
		return r, fmt.Errorf("setting no_new_privs: %w", errno)
	}
	r.Privileges = true
	// Files only: before Linux 6.14, a restriction of TCP by Landlock also prevents binding and
	// connecting SCTP sockets.
	lock := landlock.V6.BestEffort()
	if err := lock.RestrictPaths(rules(o)...); err != nil {
		if errors.Is(err, fs.ErrPermission) {
			err = fmt.Errorf("%w: user %d must be able to search the folders of certificates", err,
				r.UID)
		}
		return r, fmt.Errorf("restriction by Landlock: %w", err)
	}
	if err := lock.RestrictScoped(); err != nil {
		return r, fmt.Errorf("restriction by Landlock: %w", err)
	}
	if version, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); errno == 0 {
		r.Landlock = int(version)
	}
	return r, nil
}

// become changes the user and the groups of all threads. Capabilities stay.
func become(name string) error {
	u, err := LookupUser(name)
	if err != nil {
		return err
	}
	uid, err1 := strconv.Atoi(u.Uid)
	gid, err2 := strconv.Atoi(u.Gid)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("groups of user %s: %w", name, err)
	}
	var groups []int
	for _, id := range ids {
		if g, err := strconv.Atoi(id); err == nil && g != gid {
			groups = append(groups, g)
		}
	}
	if uid == os.Getuid() {
		return nil
	}
	if err := cap.SetGroups(gid, groups...); err != nil {
		return fmt.Errorf("becoming user %s: %w: start as root, or remove user", name, err)
	}
	if err := cap.SetUID(uid); err != nil {
		return fmt.Errorf("becoming user %s: %w: start as root, or remove user", name, err)
	}
	return nil
}

// dropBounds removes capabilities from the bounding set as far as that is permitted; no_new_privs
// covers the rest.
func dropBounds() error {
	if ok, err := cap.GetProc().GetFlag(cap.Effective, cap.SETPCAP); err != nil || !ok {
		return err
	}
	for c := range cap.MaxBits() {
		if err := cap.DropBound(c); err != nil {
			return err
		}
	}
	return nil
}

// drop removes all capabilities from all threads, except that for low ports if it is present and
// wanted.
func drop(lowPorts bool) error {
	keep := cap.NewSet()
	has, err := cap.GetProc().GetFlag(cap.Permitted, cap.NET_BIND_SERVICE)
	if err != nil {
		return err
	}
	for _, flag := range []cap.Flag{cap.Permitted, cap.Effective} {
		if err := keep.SetFlag(flag, lowPorts && has, cap.NET_BIND_SERVICE); err != nil {
			return err
		}
	}
	if err := cap.ResetAmbient(); err != nil && !errors.Is(err, unix.EINVAL) { // before Linux 4.3
		return err
	}
	return keep.SetProc()
}

// rules returns the rules for files that stay accessible.
func rules(o Options) []landlock.Rule {
	// For the resolver of package net, the kernel's statistics, and time zones in logs.
	folders := []string{"/proc", "/usr/share/zoneinfo"}
	files := []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services",
		"/etc/localtime", "/dev/null"}
	if real, err := filepath.EvalSymlinks("/etc/resolv.conf"); err == nil &&
		filepath.Dir(real) != "/etc" {
		folders = append(folders, filepath.Dir(real)) // systemd-resolved replaces it
	}
	// A replaced file is a new file, so the whole folder is allowed.
	for _, name := range o.Read {
		folders = append(folders, filepath.Dir(name))
		if real, err := filepath.EvalSymlinks(name); err == nil {
			folders = append(folders, filepath.Dir(real))
		}
	}
	list := []landlock.Rule{
		landlock.RODirs(folders...).IgnoreIfMissing(),
		landlock.ROFiles(files...).IgnoreIfMissing(),
	}
	for _, name := range o.Remove {
		list = append(list, landlock.PathAccess(unix.LANDLOCK_ACCESS_FS_REMOVE_FILE,
			filepath.Dir(name)).IgnoreIfMissing())
	}
	return list
}
