package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// modprobeFolders are the folders of modprobe's configuration: modprobe.d(5). A file in one of them
// replaces those of the same name in later ones.
var modprobeFolders = []string{
	"etc/modprobe.d",
	"run/modprobe.d",
	"usr/local/lib/modprobe.d",
	"usr/lib/modprobe.d",
	"lib/modprobe.d",
}

// A modprobeRule is a line of that configuration, or a setting of the kernel, that prevents a
// module from being loaded.
type modprobeRule struct {
	where string // FILE:LINE, or the setting
	what  string // the line
	kind  string // its first word
}

// obstacles returns what prevents the module from being loaded, and the files that could not be
// read.
func (m Machine) obstacles(name string) (rules []modprobeRule, unread []string) {
	if m.read("proc/sys/kernel/modules_disabled") == "1" {
		rules = append(rules, modprobeRule{"kernel.modules_disabled", "kernel.modules_disabled = 1",
			"modules_disabled"})
	}
	for word := range strings.FieldsSeq(m.read("proc/cmdline")) {
		key, value, _ := strings.Cut(word, "=")
		if (key == "module_blacklist" || key == "modprobe.blacklist") &&
			slices.Contains(strings.Split(value, ","), name) {
			rules = append(rules, modprobeRule{"the kernel's command line", word, key})
		}
	}
	if f, err := m.Root.Open("proc/sys/kernel/modprobe"); err == nil {
		f.Close()
		switch helper := m.read("proc/sys/kernel/modprobe"); path.Base(helper) {
		case "true", "false", "null", ".":
			rules = append(rules, modprobeRule{"kernel.modprobe", "kernel.modprobe = " + helper,
				"kernel.modprobe"})
		}
	}
	for _, file := range m.modprobeFiles(&unread) {
		text, err := fs.ReadFile(m.Root, file)
		if err != nil {
			unread = append(unread, "/"+file)
			continue
		}
		rules = append(rules, modprobeRules("/"+file, string(text), name)...)
	}
	return rules, unread
}

// modprobeFiles lists the configuration files that apply.
func (m Machine) modprobeFiles(unread *[]string) (files []string) {
	seen := make(map[string]bool)
	for _, folder := range modprobeFolders {
		entries, err := fs.ReadDir(m.Root, folder)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			*unread = append(*unread, "/"+folder)
		}
		for _, e := range entries {
			if name := e.Name(); strings.HasSuffix(name, ".conf") && !seen[name] {
				seen[name] = true
				files = append(files, folder+"/"+name)
			}
		}
	}
	return files
}

// modprobeRules finds the rules for a module in the text of a file: modprobe.d(5).
func modprobeRules(file, text, name string) (rules []modprobeRule) {
	number, next := 0, 1
	for text != "" {
		var line string
		line, text, _ = strings.Cut(text, "\n")
		number = next
		next++
		for strings.HasSuffix(line, "\\") && text != "" { // continues in the next line
			var more string
			more, text, _ = strings.Cut(text, "\n")
			line = strings.TrimSuffix(line, "\\") + " " + more
			next++
		}
		words := strings.Fields(line)
		if len(words) < 2 {
			continue
		}
		if kind := ruleKind(words[0], words[1], strings.Join(words[2:], " "), name); kind != "" {
			rules = append(rules, modprobeRule{fmt.Sprintf("%s:%d", file, number), strings.Join(words, " "),
				kind})
		}
	}
	return rules
}

// kernelsName is the name by which the kernel requests SCTP over IPv4, which is an alias of the
// module.
const kernelsName = "net-pf-2-proto-132"

// ruleKind returns the kind of a rule that prevents the module from being loaded, or "" for other
// lines.
func ruleKind(command, of, rest, name string) string {
	matches := func(name string) bool { // modprobe treats - and _ alike
		ok, _ := path.Match(strings.ReplaceAll(of, "-", "_"), strings.ReplaceAll(name, "-", "_"))
		return ok
	}
	switch command {
	case "blacklist":
		if of == name {
			return "blacklist"
		}
	case "install":
		if strings.Contains(rest, "modprobe") || strings.Contains(rest, "insmod") {
			break // the command does more than load the module
		}
		if matches(name) {
			return "install"
		}
		if of == kernelsName {
			return "by itself"
		}
	case "alias":
		if rest != name && matches(name) {
			return "alias"
		}
		if rest != name && matches(kernelsName) {
			return "by itself"
		}
	}
	return ""
}

// ruleRemedies are what to do about a rule, by its kind. %s is its location.
var ruleRemedies = map[string]string{
	"install": "as root: delete the line %s, which makes modprobe run a command instead " +
		"of loading the module",
	"blacklist": "as root: delete the line %s, which prevents loading the module at boot " +
		"and automatically",
	"alias":     "as root: delete the line %s, which makes modprobe load another module",
	"by itself": "as root: delete the line %s, which prevents loading the module automatically",
	"modprobe.blacklist": "as root: remove it from %s, which prevents loading the module at boot " +
		"and automatically",
	"module_blacklist": "as root: remove it from %s (GRUB_CMDLINE_LINUX), and reboot: until " +
		"then the kernel rejects the module",
	"modules_disabled": "as root: remove %s from /etc/sysctl.conf and /etc/sysctl.d, and " +
		"reboot: until then the kernel loads no modules",
	"kernel.modprobe": "the kernel does not load modules automatically (%s), but root can",
}

// notLoaded returns the finding for a module that exists but is not loaded.
func (m Machine) notLoaded(name string) Finding {
	const shown = 3 // rules
	rules, unread := m.obstacles(name)
	text := "the module " + name + " is installed, but not loaded"
	var remedy []string
	for _, r := range rules[:min(len(rules), shown)] {
		text += fmt.Sprintf("; %s: %q", r.where, Shorten(r.what, 100))
		remedy = append(remedy, fmt.Sprintf(ruleRemedies[r.kind], r.where))
	}
	if more := len(rules) - shown; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	remedy = append(remedy, "as root: modprobe "+name,
		"and to load it at boot: echo "+name+" >/etc/modules-load.d/"+name+".conf")
	switch {
	case len(unread) > 0:
		remedy = append(remedy, "(if that fails, run doctor as root, which can read "+
			strings.Join(unread[:min(len(unread), shown)], ", ")+")")
	case len(rules) == 0:
		remedy = append(remedy, "(if that fails, see dmesg)")
	}
	return Bad(strings.Join(remedy, "\n"), "%s", text)
}
