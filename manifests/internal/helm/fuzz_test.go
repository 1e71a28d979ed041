package helm

import "testing"

// FuzzParseIndex: what is left of the index of a repository has a name, a version and an address,
// the newest first, and says the same when it comes as JSON.
func FuzzParseIndex(f *testing.F) {
	f.Add([]byte("apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    urls:\n    - a-1.tgz\n  - name: a\n    version: 2.0.0\n    urls: [../../x.tgz]\ngenerated: x\n"))
	f.Add([]byte(`{"entries":{"a":[{"name":"a","version":"1.0.0","urls":["https://x/a.tgz"]}]}}`))
	f.Add([]byte("entries:\n  a: &a\n  - name: a\n    version: x\n    urls: [y]\n  b: *a\n"))
	f.Add([]byte("entries: {}\nentries: []\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ParseIndex(data)
		if err != nil {
			return
		}
		for name, list := range index {
			for i, e := range list {
				if e.Name != name || e.Version == "" || len(e.URLs) == 0 {
					t.Errorf("%q has %+v", name, e)
				}
				if i > 0 && newer(list[i-1].Version, e.Version) > 0 {
					t.Errorf("%q: %q stands before %q", name, list[i-1].Version, e.Version)
				}
			}
		}
	})
}
