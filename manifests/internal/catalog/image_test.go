package catalog

import (
	"errors"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

func TestWhiteouts(t *testing.T) {
	layer := func(files ...ocitest.File) func(c *ocitest.Content) oci.Descriptor {
		return func(c *ocitest.Content) oci.Descriptor {
			d, err := c.Files(ocitest.LayerZstd, files...)
			if err != nil {
				t.Fatal(err)
			}
			return d
		}
	}
	list, err := parse(t, map[string]string{"c/.wh.catalog.json": "", "c/new.json": small1("c2"), ".wh.d": "", "e.json": small1("e2")},
		layer(ocitest.File{Name: "configs/a.json", Body: []byte(small1("a"))},
			ocitest.File{Name: "configs/c/catalog.json", Body: []byte(small1("c"))},
			ocitest.File{Name: "configs/d/README.md", Body: []byte("not: [a catalog")},
			ocitest.File{Name: "elsewhere/f.json", Body: []byte(small1("f"))},
			ocitest.File{Name: "configs/e.json", Body: []byte(small1("e"))}))
	if err != nil || names(list) != "a c2 e2" {
		t.Errorf("got %s, %v", names(list), err)
	}
}

func TestDirIsFile(t *testing.T) {
	c := ocitest.New(1)
	top, err := c.Files(ocitest.LayerGzip, ocitest.File{Name: "configs", Body: []byte(small1("a"))})
	if err != nil {
		t.Fatal(err)
	}
	_, err = parseImage(t, c, c.Labelled("amd64", false, map[string]string{labelConfigs: "/configs"}, top))
	if want := what + ": its directory /configs is a file"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestDir(t *testing.T) {
	tests := []struct {
		labels    map[string]string
		dir, want string
	}{
		{map[string]string{labelConfigs: "/configs"}, "/configs", ""},
		{map[string]string{labelConfigs: "/a//b/./c/", labelDatabase: "/x.db"}, "/a/b/c", ""},
		{map[string]string{labelDatabase: "/database/index.db"}, "", "it is an SQLite catalog (it has the label operators.operatorframework.io.index.database.v1), which is not read; use a file-based catalog, as those of OpenShift 4.11 and newer are"},
		{nil, "", "it is not an operator catalog: it has no label operators.operatorframework.io.index.configs.v1"},
		{map[string]string{labelConfigs: ""}, "", `is "", which is not a path`},
		{map[string]string{labelConfigs: "configs"}, "/configs", ""},
		{map[string]string{labelConfigs: "../configs"}, "", "leads out of a directory"},
		{map[string]string{labelConfigs: "/con\nfigs"}, "", `is "/con\nfigs", which is not a path`},
		{map[string]string{labelConfigs: "/configs/../etc"}, "", "leads out of a directory"},
		{map[string]string{labelConfigs: "/configs/.."}, "", "leads out of a directory"},
		{map[string]string{labelConfigs: "//."}, "", "the whole image"},
		{map[string]string{labelConfigs: "/" + many("x", 2000)}, "", "has 2001 bytes"},
	}
	for _, tc := range tests {
		dir, err := Dir(what, tc.labels)
		var ue *oci.UnsupportedError
		if dir != tc.dir || (tc.want == "") != (err == nil) || err != nil && (!errors.As(err, &ue) || !strings.HasPrefix(err.Error(), what+": ") || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%q: got %q, %v; want %q", tc.labels, dir, err, tc.want)
		}
	}
}
