package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a test of load has left comes into its place in the document, the rest stays; a soak is
// drawn.
func TestLoad(t *testing.T) {
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("soak.md", "new\n")
	write("soak.csv",
		"seconds,messages,heap,resident,kernel\n"+
			"0,1,1048576,2097152,3145728\n60,2,1048576,2097152,3145728\n")
	document := filepath.Join(t.TempDir(), "testing.md")
	text := "a\n<!-- begin soak -->\nold\n<!-- end soak -->\n" +
		"<!-- begin many -->\nkept\n<!-- end many -->\n"
	if err := os.WriteFile(document, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	chart := filepath.Join(folder, "soak.svg")
	if err := Load(folder, document, chart); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(document); err != nil ||
		string(got) != strings.Replace(text, "old", "new", 1) {
		t.Errorf("the document is %q, %v", got, err)
	}
	if got, err := os.ReadFile(chart); err != nil || !strings.Contains(string(got), "<svg") {
		t.Errorf("the chart: %d bytes, %v", len(got), err)
	}
	write("nowhere.md", "")
	if err := Load(folder, document, chart); err == nil {
		t.Error("no error for a part that has no place")
	}
}
