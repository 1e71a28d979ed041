package pack_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// TestRestartSaysWhatIsDeleted starts again in the root of a drive: the bundle that was deleted
// is named, by directory and ID.
func TestRestartSaysWhatIsDeleted(t *testing.T) {
	t.Parallel()
	b := jobtest.New(t, 93)
	layer := b.Content.Layer(1<<20, ocitest.LayerGzip)
	set := jobtest.Images(b.Push(b.Content.Image(true, layer), "team/app", "v1"))
	o := b.Pack(b.Prepare(set), "drive")
	tmpfs(t, o.Dir, "size=16m")
	b.Proxy.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		lost := r.Method == http.MethodGet && r.Header.Get("Range") == "" && strings.Contains(r.URL.Path, "/blobs/"+layer.Digest.String())
		if lost {
			w.WriteHeader(http.StatusNotFound)
		}
		return lost
	}
	if _, err := pack.Run(t.Context(), o); err == nil {
		t.Fatal("packed without a layer")
	}
	list, _, err := bundle.List(o.Dir, "")
	if err != nil || len(list) != 1 || list[0].Sealed {
		t.Fatalf("there is %+v, %v", list, err)
	}
	b.Proxy.Answer = nil
	o.Options, o.Restart = b.Prepare(set), true
	if _, err := pack.Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := "deleted the unfinished bundle " + list[0].Bundle + " in " + filepath.Join(o.Dir, "satchel-"+list[0].Bundle)
	if log := b.Log.String(); strings.Count(log, want+`"`) != 1 {
		t.Errorf("not once %q:\n%s", want, log)
	}
}
