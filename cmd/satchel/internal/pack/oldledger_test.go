package pack_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// received has nothing, by the receipt of a bundle.
type received struct{ of bundle.BaselineSource }

func (received) Find(oci.Descriptor, []oci.Image) (path string, from bundle.BaselineSource, ok bool) {
	return "", from, false
}

func (r received) Sources() []bundle.BaselineSource { return []bundle.BaselineSource{r.of} }

// TestOldLedger: where a backup of the ledger was put back, no number is given twice that the
// journals of this host, the drive or a receipt show, and that is said.
func TestOldLedger(t *testing.T) {
	t.Parallel()
	for name, see := range map[string]string{"journals": "its journal on this host", "drive": "its seal in ", "receipt": "a receipt of mirror.example", "none": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := jobtest.New(t, 31)
			drive := func(n int) pack.Options {
				dir := fmt.Sprint("week", n)
				if name == "drive" { // one for all
					dir = "drive"
				}
				image := b.Content.Image(true, b.Content.Layer(1<<10+n, ocitest.LayerGzip))
				return b.Pack(b.Prepare(jobtest.Images(b.Push(image, fmt.Sprint("team/app", n), "v1"))), dir)
			}
			if name == "drive" {
				mounted(t, drive(0).Dir)
			}
			file := filepath.Join(drive(0).State, "ledgers", "set", "ledger.json")
			var old []byte
			var last *pack.Result
			for n := range 2 {
				var err error
				if last, err = pack.Run(t.Context(), drive(n)); err != nil {
					t.Fatal(err)
				}
				if n == 0 {
					if old, err = os.ReadFile(file); err != nil {
						t.Fatal(err)
					}
				}
			}
			if err := os.WriteFile(file, old, 0o600); err != nil { // the backup
				t.Fatal(err)
			}
			o := drive(3)
			if name != "journals" { // their backup is as old
				if err := os.RemoveAll(filepath.Join(o.State, "bundles")); err != nil {
					t.Fatal(err)
				}
			}
			if name == "receipt" {
				stream := last.Stream
				o.Baseline = received{bundle.BaselineSource{Bundle: last.Bundle, Stream: &stream, Sequence: last.Sequence, Receipt: strings.Repeat("0a", 32), Mirror: "mirror.example"}}
			}
			done, err := pack.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			want := 3
			if name == "none" {
				want = 2
			}
			said := b.Log.String()
			if done.Sequence != want || done.Stream != last.Stream || strings.Contains(said, "old backup") != (see != "") || !strings.Contains(said, see) {
				t.Errorf("number %d, %s", done.Sequence, said)
			}
			if next, err := pack.Run(t.Context(), drive(4)); err != nil || next.Sequence != want+1 || strings.Count(b.Log.String(), "old backup") > 1 {
				t.Errorf("the next: %+v, %v", next, err)
			}
		})
	}
}

// mounted mounts a file system, as a drive is one.
func mounted(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size=64m", "satchel-test", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting a tmpfs is not permitted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := proctest.Command(t, "umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
}
