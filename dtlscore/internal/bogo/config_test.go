package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path"
	"strings"
	"testing"
)

// TestShimConfig reads config.json as the runner does, and more strictly: an
// exception without a reason, or one that stands there twice, is a mistake.
func TestShimConfig(t *testing.T) {
	b, err := os.ReadFile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		DisabledTests map[string]string
		ErrorMap      map[string][]string
		MaxACKBuffer  int // how many records an ACK of ours is for
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&config); err != nil {
		t.Fatal(err)
	}
	for pattern, reason := range config.DisabledTests {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			t.Errorf("pattern %q: %v", pattern, err)
		}
		if !strings.Contains(strings.TrimSpace(reason), " ") || !strings.HasSuffix(reason, ".") {
			t.Errorf("the reason for %s is not a sentence: %q", pattern, reason)
		}
	}
	for theirs, ours := range config.ErrorMap {
		if !strings.HasPrefix(theirs, ":") || !strings.HasSuffix(theirs, ":") {
			t.Errorf("%q is not an error of the runner", theirs)
		}
		for _, s := range ours {
			if s == "" {
				t.Errorf("any error would do for %s", theirs)
			}
		}
		if len(ours) == 0 {
			t.Errorf("no error would do for %s", theirs)
		}
	}
	for _, key := range duplicateKeys(t, b) {
		t.Errorf("%q twice", key)
	}
}

// duplicateKeys returns the keys of all objects that occur twice, which
// package encoding/json does not mind.
func duplicateKeys(t *testing.T, b []byte) (twice []string) {
	type object struct {
		keys     map[string]bool // nil if it is an array
		awaitKey bool
	}
	var stack []object
	for d := json.NewDecoder(bytes.NewReader(b)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return twice
		} else if err != nil {
			t.Fatal(err)
		}
		top := &object{}
		if len(stack) > 0 {
			top = &stack[len(stack)-1]
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:len(stack)-1]
			continue
		}
		if key, ok := token.(string); ok && top.awaitKey {
			if top.keys[key] {
				twice = append(twice, key)
			}
			top.keys[key], top.awaitKey = true, false
			continue
		}
		top.awaitKey = top.keys != nil
		switch token {
		case json.Delim('{'):
			stack = append(stack, object{map[string]bool{}, true})
		case json.Delim('['):
			stack = append(stack, object{})
		}
	}
}

func TestDuplicateKeys(t *testing.T) {
	const doc = `{"a": {"x": ["x", "x"], "y": "x"}, "b": 1, "a": {"x": 1, "z": {}, "x": 2}}`
	if got := strings.Join(duplicateKeys(t, []byte(doc)), " "); got != "a x" {
		t.Errorf("found %q twice, want a and x", got)
	}
}
