package documents

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/text"
)

// FuzzContents looks for a document that panics, or puts on a terminal what it must not.
func FuzzContents(f *testing.F) {
	f.Add([]byte(`{"catalog":"a.io/b:c","whole":true,"versions":"heads","packages":[{"name":"etcd","defaultChannel":"x","dependency":true,"channels":[{"name":"x","head":"e.v1","versions":[{"version":"1","bundle":"e.v1"}]}]}]}`))
	f.Add([]byte(`{"catalog":"a.io/b:c","packages":[{"name":"\u009b"}]}`))
	f.Add([]byte(`{"catalog":"a.io/b:c","path":"x/y","tag":"\u009b"}`))
	f.Add([]byte(`{"packages":[{},{},{}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseContents(data)
		if err != nil {
			return
		}
		names := []string{c.Catalog, c.Path, c.Tag, c.Versions}
		for _, p := range c.Packages {
			names = append(names, p.Name, p.DefaultChannel)
			for _, ch := range p.Channels {
				names = append(append(names, ch.Name, ch.Head), ch.Newest()...)
			}
		}
		if all := strings.Join(names, ""); !text.IsASCII(all) {
			t.Fatalf("%q", all)
		}
		c.Count()
	})
}
