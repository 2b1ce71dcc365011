package command

import (
	"strings"
	"testing"
)

func TestWritePage(t *testing.T) {
	for _, tt := range []struct{ template, data, want string }{
		{"{{. | roff}}", ".TH a-b \\n\n'x\ny.z", "\\&.TH a\\-b \\en\n\\&'x\ny.z"},
		{"{{index (split .) 0}}|{{index (split .) 1}}", "--a string\twhat it does",
			"--a string|what it does"},
		{"{{sentence .}}", "do this", "Do this."},
	} {
		var b strings.Builder
		if err := writePage(&b, tt.template, tt.data); err != nil || b.String() != tt.want {
			t.Errorf("%s: %q, %v, want %q", tt.template, b.String(), err, tt.want)
		}
	}
	var b strings.Builder
	if err := writePage(&b, "x{{.Missing}}", struct{}{}); err == nil || b.Len() > 0 {
		t.Errorf("%q, %v", b.String(), err)
	}
	if err := writePage(&b, "{{", nil); err == nil {
		t.Error("no error of a template that is none")
	}
}
