package oci

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzParseManifest: what is read as one kind of manifest is of no other kind, all that it names
// is fit to be carried, and the place in a mirror of none of it is a path out of it.
func FuzzParseManifest(f *testing.F) {
	blob := `{"mediaType":"a/b","digest":"` + Digest(nil).String() + `","size":0}`
	f.Add([]byte(`{"schemaVersion":2,"mediaType":"` + MediaTypeManifest + `","config":` + blob + `,"layers":[` + blob + `],"annotations":{"a":"b"}}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[` + strings.Replace(blob, "a/b", MediaTypeManifest, 1) + `],"subject":` + blob + `}`))
	f.Add([]byte(`{"schemaVersion":2,"config":` + blob + `,"layers":[],"manifests":[],"Config":1}`))
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"../../etc/passwd","size":-1},"layers":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, mediaType := range ManifestMediaTypes() {
			d := Descriptor{MediaType: mediaType, Digest: Digest(body), Size: int64(len(body))}
			m, err := ParseManifest(d, body)
			if err != nil {
				continue
			}
			if IsIndex(mediaType) != (m.Config == nil) || len(m.Manifests) > 0 && len(m.Layers) > 0 || m.MediaType != "" && m.MediaType != mediaType {
				t.Errorf("%s is read as %+v", mediaType, m)
			}
			for _, c := range m.children() {
				if err := CheckDescriptor(c); err != nil {
					t.Errorf("it names %+v: %v", c, err)
				}
			}
			if m.Subject != nil && CheckDigest(m.Subject.Digest) != nil {
				t.Errorf("its subject is %+v", m.Subject)
			}
		}
	})
}

// FuzzLayoutIndex has the index.json of a layout beside a file that nothing may reach.
func FuzzLayoutIndex(f *testing.F) {
	f.Add([]byte(`{"manifests":[{"mediaType":"` + MediaTypeManifest + `","digest":"` + Digest(nil).String() + `","size":0,"annotations":{"org.opencontainers.image.ref.name":"x"}}]}`))
	f.Add([]byte(`{"manifests":[{"mediaType":"` + MediaTypeIndex + `","digest":"sha256:../../../secret","size":6}]}`))
	f.Add([]byte(`{"manifests":[{"digest":"../secret","size":6},{}]}`))
	top := f.TempDir()
	dir := filepath.Join(top, "layout")
	for name, body := range map[string]string{"secret": "secret", "layout/oci-layout": `{"imageLayoutVersion":"1.0.0"}`} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(top, name)), 0o700); err != nil {
			f.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(top, name), []byte(body), 0o600); err != nil {
			f.Fatal(err)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if err := os.WriteFile(filepath.Join(dir, "index.json"), body, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLayout(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		if d, err := l.Image(""); err == nil && CheckDescriptor(d) != nil {
			t.Errorf("%+v is taken", d)
		}
	})
}

// FuzzInventory: an image, gap or document that is valid says the same when it is written and
// read again, and its path in the mirror is below the mirror.
func FuzzInventory(f *testing.F) {
	d := `{"mediaType":"` + MediaTypeManifest + `","digest":"` + Digest(nil).String() + `","size":0}`
	f.Add([]byte(`{"origin":"additional","source":"quay.io/a/b:v1","root":` + d + `,"tags":["v1"],"why":["operator etcd: bundle x"]}`))
	f.Add([]byte(`{"origin":"additional","source":"quay.io/a/b:v1","root":` + d + `,"path":"../../a","platforms":["linux/amd64"]}`))
	f.Add([]byte(`{"origin":"\u009b","source":"quay.io/..:v1","root":` + d + `}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var i Image
		if json.Unmarshal(body, &i) != nil || i.Validate() != nil {
			return
		}
		if p := i.MirrorPath(); !filepath.IsLocal(p) || CheckPath(p) != nil {
			t.Errorf("it goes to %q", p)
		}
		first, err := json.Marshal(i)
		var again Image
		if err == nil {
			err = json.Unmarshal(first, &again)
		}
		second, _ := json.Marshal(again)
		if err != nil || again.Validate() != nil || string(first) != string(second) {
			t.Errorf("%s\nreads as\n%s, %v", first, second, err)
		}
	})
}
