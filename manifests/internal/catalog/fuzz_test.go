package catalog

import (
	"bytes"
	"testing"
)

// FuzzParseFile reads a catalog of any bytes: each of its packages has a name, and
// stands there once.
func FuzzParseFile(f *testing.F) {
	f.Add([]byte(`{"schema":"olm.package","name":"a","defaultChannel":"c"}
{"schema":"olm.channel","package":"a","name":"c","entries":[{"name":"a.v1"}]}
{"schema":"olm.bundle","package":"a","name":"a.v1","image":"quay.io/a/b@sha256:x","properties":[{"type":"olm.package","value":{"packageName":"a","version":"1.0.0"}}],"relatedImages":[{"name":"","image":"quay.io/a/c:1"}]}`))
	f.Add([]byte("---\nschema: olm.package\nname: ../../a\n---\nschema: olm.channel\npackage: ../../a\nname: \"\\u202e\"\n"))
	f.Add([]byte(`{"schema":"olm.bundle","properties":[{"type":"olm.bundle.object","value":{"ref":"../../etc/passwd"}}]}`))
	f.Add([]byte("{}{}{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseFile("a catalog", bytes.NewReader(data))
		if err != nil {
			return
		}
		defer func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}()
		seen := map[string]bool{}
		for _, p := range c.Packages {
			if p.Name == "" || seen[p.Name] {
				t.Errorf("a package %q", p.Name)
			}
			seen[p.Name] = true
		}
	})
}
