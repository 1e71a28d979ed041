package hub

import (
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// FuzzParse: what is read names a mirror and images as strictly as flags and bundles do.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"version":"hub/1"}`))
	f.Add([]byte(`{"version":"hub/1","bundle":"x","mirror":{"host":"m.example:5000","namespace":"a/b"},"images":[{"origin":"additional","source":"quay.io/a/b:v1","root":{"mediaType":"` + oci.MediaTypeManifest + `","digest":"` + oci.Digest(nil).String() + `","size":1},"tags":["v1"]}],"documents":{}}`))
	f.Add([]byte(`{"version":"hub/2"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		f, h, err := parseFile("hub.json", body)
		if err != nil {
			return
		}
		for _, img := range f.Images {
			if err := img.Validate(); err != nil {
				t.Errorf("an image that no bundle may have: %v", err)
			}
		}
		if _, err := oci.ParseMirror(h.Mirror.String()); err != nil {
			t.Errorf("a mirror that no command takes: %v", err)
		}
	})
}
