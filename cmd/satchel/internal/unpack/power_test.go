package unpack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci/powertest"
)

// TestLosesPower has power fail at any moment while unpack keeps its intent and its receipts on this
// host and writes the output directory: each file has its name only with its bytes, and the same
// command completes it.
func TestLosesPower(t *testing.T) {
	t.Parallel()
	s := newSite(t, 977)
	keys, _ := twoSigners(t)
	place := func(at powertest.At) killedAt {
		return killedAt{site: s, state: filepath.Join(at("host"), "state"), out: filepath.Join(at("host"), "out")}
	}
	kept := func(at powertest.At) string {
		return receipt.HostDir(place(at).state, place(at).options(t, s.mirror, "power").Site.Mirror)
	}
	powertest.Command{
		Tops: []string{"host"},
		Run: func(t *testing.T, at powertest.At) error {
			o := place(at).options(t, s.mirror, "power")
			o.Receipts.Signers = keys[:1]
			return unpack.Run(t.Context(), s.reader, jobtest.Client(), o)
		},
		Look: func(t *testing.T, at powertest.At) {
			files, err := filepath.Glob(filepath.Join(kept(at), "*", "*.json*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range append(files, filepath.Join(place(at).out, "receipt.json")) {
				body, err := os.ReadFile(name)
				if err == nil && (len(body) == 0 || body[len(body)-1] != '\n' || strings.Contains(string(body), "\x00")) {
					t.Errorf("%s has not the bytes that go with its name: %.60q", name, body)
				}
			}
		},
		Whole: func(t *testing.T, at powertest.At) {
			k := place(at)
			k.whole(t, k.options(t, s.mirror, "power"), kept(at))
		},
	}.Lose(t, 900, 5)
}
