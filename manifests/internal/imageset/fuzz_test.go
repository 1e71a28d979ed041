package imageset

import (
	"errors"
	"testing"
)

// FuzzParse looks for input that makes Parse panic, hang or complain without a place.
func FuzzParse(f *testing.F) {
	for _, tc := range parseErrors {
		f.Add([]byte(tc.in))
	}
	f.Add([]byte(everything))
	f.Add([]byte(header + "mirror: &m {<<: [*m, {operators: &o [{catalog: a}]}], operators: *o}\n"))
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

// FuzzConvert looks for input that Convert makes something of that plan would refuse.
func FuzzConvert(f *testing.F) {
	f.Add([]byte(versionOne))
	f.Add([]byte(headerOne + "storageConfig: &s {local: &l {path: x}}\nmirror: {<<: *s, additionalImages: [{name: a.io/b:1, <<: *l}]}\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, _, err := Convert("f.yaml", data)
		checkConverted(t, data, out, err)
	})
}
