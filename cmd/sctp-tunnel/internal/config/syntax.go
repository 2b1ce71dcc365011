package config

import (
	"bytes"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// syntax makes the faults of an error of package toml.
func syntax(name string, text []byte, err error) error {
	if strict, ok := errtype.As[*toml.StrictMissingError](err); ok {
		var faults Faults
		for _, e := range strict.Errors {
			line, _ := e.Position()
			faults = append(faults, noKey(name, line, strings.Join(e.Key(), ".")))
		}
		return faults
	}
	decode, ok := errtype.As[*toml.DecodeError](err)
	if !ok {
		return Faults{{File: name, Line: 1, Text: err.Error()}}
	}
	line, _ := decode.Position()
	key := decode.Key()
	f := Fault{File: name, Line: line, Key: strings.Join(key, "."),
		Text: strings.TrimPrefix(decode.Error(), "toml: ")}
	if found := ofType.FindStringSubmatch(f.Text); found != nil {
		tag, t := field(found[2], found[3])
		isTag := func(part string) bool { return strings.EqualFold(part, tag) }
		if tag != "" && !slices.ContainsFunc(key, isTag) { // of an inline table, whose key it has not
			f.Key += "." + tag
		}
		f.Line, f.Remedy = lineOf(text, f.Key), wanted(t, f.Key)
		f.Text = "wrong type (" + found[1] + ")"
	}
	return Faults{f}
}

func noKey(file string, line int, key string) Fault {
	return Fault{File: file, Line: line, Text: fmt.Sprintf("unknown key %.80q", key),
		Remedy: `run "sctp-tunnel config" for the list of keys`}
}

// ofType matches what package toml says of a value of another type, in the words of Go.
var ofType = regexp.MustCompile(
	`^cannot decode TOML (.+) into (?:struct field config\.(\w+)\.(\w+)|.*) of type `)

// field returns the key of a field of one of the structs of a file, and its type; nil if there is
// none.
func field(in, name string) (key string, t reflect.Type) {
	for _, s := range []reflect.Type{reflect.TypeFor[file](), reflect.TypeFor[Settings](),
		reflect.TypeFor[Allow]()} {
		if f, ok := s.FieldByName(name); ok && (s.Name() == in || s == reflect.TypeFor[file]()) {
			return f.Tag.Get("toml"), f.Type
		}
	}
	return "", nil
}

// wanted says what a value of a key is to be, whose type is t if that is known.
func wanted(t reflect.Type, key string) string {
	if t == nil {
		return `run "sctp-tunnel config" for an example`
	}
	switch t.Kind() {
	case reflect.Int:
		return "use a number without quotes"
	case reflect.Bool, reflect.Pointer:
		return "use true or false"
	case reflect.String:
		return "use a string in quotes"
	case reflect.Slice:
		if t.Elem().Kind() == reflect.String {
			return "use a list of strings, such as [\"…\"]"
		}
	}
	return "use a table: [[" + key + "]]"
}

// lineOf returns the line of the key whose value package toml has refused: of those with that path,
// the last one before which all is well.
func lineOf(text []byte, key string) int {
	line, lines := 1, linesOf(text, key)
	for _, next := range lines {
		before := bytes.Join(bytes.SplitAfterN(text, []byte("\n"), next)[:next-1], nil)
		err := toml.Unmarshal(before, new(file)) // of a value in several lines, another one
		if line > 1 && err != nil && ofType.MatchString(strings.TrimPrefix(err.Error(), "toml: ")) {
			break
		}
		line = next
	}
	return line
}

// linesOf returns those that have a key, in any table of an array, or else what it is in.
func linesOf(text []byte, key string) (lines []int) {
	for path, line := range positions(text) {
		if withoutNumbers(path) == key {
			lines = append(lines, line)
		}
	}
	if i := strings.LastIndexByte(key, '.'); lines == nil && i > 0 {
		return linesOf(text, key[:i])
	}
	slices.Sort(lines)
	return lines
}

// withoutNumbers returns a path as package toml has it: without those of tables in arrays.
func withoutNumbers(path string) string {
	isNumber := func(part string) bool { return strings.Trim(part, "0123456789") == "" }
	return strings.Join(slices.DeleteFunc(strings.Split(path, "."), isNumber), ".")
}

// spelling finds keys with capital letters: package toml takes “Listen” for “listen”.
func (c *checker) spelling() {
	for path, line := range c.lines {
		if key := withoutNumbers(path); key != strings.ToLower(key) {
			c.faults = append(c.faults, noKey(c.file, line, key))
		}
	}
}
