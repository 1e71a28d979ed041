package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"unicode"

	"sigs.k8s.io/yaml"
)

// TestPlainJSON: reports for machines have no character that a terminal obeys, and say the
// same as before.
func TestPlainJSON(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"plain", "a\u009bb", "\u202eleft", "\u2066x\u2069", "\x7f", "\x1b[31m", "\u00ad\u200b\ufeff", "\U000e0001tag", "é 漢字 😀", "two\nlines", "tab\t"} {
		for _, format := range []string{"json", "yaml"} {
			var out bytes.Buffer
			if err := printReport(&out, format, map[string]string{"name": s}, nil); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }) {
				t.Errorf("%s of %q: %q", format, s, out.String())
			}
			var got map[string]string
			err := yaml.Unmarshal(out.Bytes(), &got)
			if format == "json" {
				err = json.Unmarshal(out.Bytes(), &got)
			}
			if err != nil || got["name"] != s {
				t.Errorf("%s of %q reads as %q, %v", format, s, got["name"], err)
			}
		}
	}
}

// TestPlainLog: so have lines of JSON.
func TestPlainLog(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	h, err := newHandler(logFlags{level: "info", format: formatJSON}, &out)
	if err != nil {
		t.Fatal(err)
	}
	slog.New(h).Info("a\u009b\u202eb")
	var got struct{ Msg string }
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Msg != "a\u009b\u202eb" || bytes.ContainsFunc(out.Bytes(), isHidden) {
		t.Errorf("%q, %v", out.String(), err)
	}
}
