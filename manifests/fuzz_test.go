package manifests

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse looks for input that makes Parse panic, hang or complain without a place.
func FuzzParse(f *testing.F) {
	for _, tc := range parseErrors {
		f.Add([]byte(tc.in))
	}
	f.Add([]byte(everything))
	f.Add([]byte(head + "mirror: &m {<<: [*m, {operators: &o [{catalog: a}]}], operators: *o}\n"))
	f.Add([]byte("a: &a [*a]\nb: *a\n# c\n- d\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse("f.yaml", data)
		if err == nil {
			if again, err := Parse("f.yaml", data); err != nil || again.Digest() != c.Digest() {
				t.Fatalf("parsed again: %v", err)
			}
			return
		}
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			var ce *ConfigError
			if !errors.As(e, &ce) || ce.Line < 1 || ce.Column < 1 || ce.Msg == "" {
				t.Fatalf("no place or no message: %v", e)
			}
		}
	})
}

// FuzzContents looks for a document that panics, or puts on a terminal what it must not.
func FuzzContents(f *testing.F) {
	f.Add([]byte(`{"catalog":"a.io/b:c","whole":true,"versions":"heads","packages":[{"name":"etcd","defaultChannel":"x","dependency":true,"channels":[{"name":"x","head":"e.v1","versions":[{"version":"1","bundle":"e.v1"}]}]}]}`))
	f.Add([]byte(`{"catalog":"a.io/b:c","packages":[{"name":"\u009b"}]}`))
	f.Add([]byte(`{"catalog":"a.io/b:c","path":"x/y","tag":"\u009b"}`))
	f.Add([]byte(`{"packages":[{},{},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseContents(data)
		if err != nil {
			return
		}
		said := []string{c.Catalog, c.Path, c.Tag, c.Versions}
		for _, p := range c.Packages {
			said = append(said, p.Name, p.DefaultChannel)
			for _, ch := range p.Channels {
				said = append(append(said, ch.Name, ch.Head), ch.Newest()...)
			}
		}
		if text := strings.Join(said, ""); plain(text[:min(len(text), 1<<10)]) != text[:min(len(text), 1<<10)] {
			t.Fatalf("%q", text)
		}
		c.Count()
	})
}
