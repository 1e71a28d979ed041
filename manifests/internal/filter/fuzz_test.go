package filter

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode"
)

// FuzzPackage filters what a catalog may hold: whatever comes out is valid.
func FuzzPackage(f *testing.F) {
	f.Add("a: 1.0.0 1.1.0>1.0.0,0.9.0~>=1.0.0/<1.1.0", "1.0.0", "")
	f.Add("a: 1.0.0>2.0.0 2.0.0>1.0.0", "", "2.0.0")
	f.Add("a: 1.0.0-rhodf 1.0.0+0.1>1.0.0-rhodf~||", "1.0.0+0", "1.0.0+2")
	f.Fuzz(func(t *testing.T, channel, low, high string) {
		if strings.Contains(channel, "_") || len(strings.Fields(channel)) > 50 {
			return
		}
		cfg := made(channel)
		out, err := Package(cfg, Request{Range: Range{low, high}})
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || strings.ContainsFunc(e.Why, func(r rune) bool { return r < ' ' }) && !strings.ContainsFunc(channel+low+high, unicode.IsControl) {
				t.Errorf("%q is not one line", err)
			}
			return
		}
		validate(t, &out.Config)
	})
}

// FuzzRequirement reads what a bundle may say that it requires.
func FuzzRequirement(f *testing.F) {
	f.Add("olm.package.required", `{"packageName":"p","versionRange":">=1.0.0 || <2.0.0"}`)
	f.Add("olm.gvk.required", `{"group":"g","kind":"K","version":"v1"}`)
	f.Add("olm.constraint", `{"all":{"constraints":[{"not":{"constraints":[{"package":{"packageName":"p","versionRange":"1"}}]}}]}}`)
	f.Add("olm.constraint", strings.Repeat(`{"any":{"constraints":[`, 40)+strings.Repeat(`]}}`, 40))
	f.Fuzz(func(t *testing.T, kind, value string) {
		text, err := json.Marshal(map[string]any{"type": kind, "value": json.RawMessage(value)})
		if err != nil {
			return
		}
		r, err := ParseRequirement(string(text))
		if err == nil && r.String() == "" {
			t.Errorf("%s requires nothing", text)
		}
		if err == nil {
			r.Met(&Candidate{Package: "p", Version: "1.0.0", Provides: []string{`{"group":"g","kind":"K","version":"v1"}`}})
		}
	})
}
