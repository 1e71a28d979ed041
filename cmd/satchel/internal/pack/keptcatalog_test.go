package pack_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// publish puts a catalog of two operators into the registry, and gives the section of a
// configuration that chooses one of them.
func publish(t *testing.T, b *jobtest.Bench) string {
	t.Helper()
	files := map[string][]byte{}
	for _, name := range []string{"etcd", "zoo"} {
		image := b.Push(b.Content.Image(false, b.Content.Layer(1<<16, ocitest.LayerGzip)), "op/"+name, "v1")
		files[name+"/catalog.json"] = fmt.Appendf(nil, `{"schema":"olm.package","name":%[1]q,"defaultChannel":"stable"}
{"schema":"olm.channel","package":%[1]q,"name":"stable","entries":[{"name":"%[1]s.v1.0.0"}]}
{"schema":"olm.bundle","package":%[1]q,"name":"%[1]s.v1.0.0","image":%[2]q,"properties":[{"type":"olm.package","value":{"packageName":%[1]q,"version":"1.0.0"}}]}
`, name, image)
	}
	d, err := b.Content.Catalog("amd64", files)
	if err != nil {
		t.Fatal(err)
	}
	return "  operators:\n  - {catalog: '" + b.Push(d, "cat/index", "v1") + "', packages: [{name: etcd}]}\n"
}

// TestKeptCatalog has the ledger keep what a filtered catalog serves, as documents, also where
// the pack was interrupted. Catalogs of two weeks that are the same are kept once.
func TestKeptCatalog(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 25)
	set := publish(t, b)
	away := true
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		refuse := away && r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/op/etcd/blobs/")
		if refuse {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return refuse
	}
	if _, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "first")); err == nil {
		t.Fatal("it was packed without a layer")
	}
	away = false
	o := b.Pack(b.Prepare(set), "first")
	first, err := pack.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	second, err := pack.Run(t.Context(), b.Pack(b.Prepare(set), "second"))
	if err != nil {
		t.Fatal(err)
	}
	l := counted(t, b)
	kept := l.Bundles[0].Catalogs
	if len(kept) != 1 || kept[0].Path != "cat/index" || !slices.Equal(kept[0].Tags, []string{"v1"}) || kept[0].Name != b.Proxy.Host+"/cat/index:v1" || kept[0].File != l.Bundles[1].Catalogs[0].File {
		t.Fatalf("%+v and %+v", kept, l.Bundles[1].Catalogs)
	}
	images := b.Open(first.Dir).Inventory().Images
	if i := slices.IndexFunc(images, func(i oci.Image) bool { return i.Built }); i < 0 || images[i].Root.Digest != kept[0].Digest {
		t.Errorf("%+v is none of %+v", kept[0], images)
	}
	r, err := ledger.At(o.State, "set").OpenCatalog(kept[0])
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil || strings.Count(string(body), `"olm.`) != 4 || !strings.Contains(string(body), `"etcd.v1.0.0"`) || strings.Contains(string(body), "zoo") {
		t.Errorf("kept\n%s\n%v", body, err)
	}
	if second.Sequence != 2 || strings.Contains(b.Log.String(), "does not keep") {
		t.Errorf("%+v\n%s", second, b.Log)
	}
}
