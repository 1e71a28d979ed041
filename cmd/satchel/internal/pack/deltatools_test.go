package pack_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/readmetest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestReadmeOfDelta opens a bundle that leaves something out with standard tools alone: it and
// the bundle before it, each by its README.txt, into one directory. skopeo pushes it from there.
func TestReadmeOfDelta(t *testing.T) {
	t.Parallel()
	if installed() == "" {
		t.Skip("skopeo is not installed")
	}
	w := newWeekly(t, 31)
	first := w.packed()
	w.arrived(first)
	moved := w.push("team/app")
	w.since("My Passport")
	second := w.packed()
	out := filepath.Join(t.TempDir(), "the content")
	open := func(done *pack.Result) (o *opened, lines string) {
		text, err := os.ReadFile(filepath.Join(done.Dir, "README.txt"))
		if err != nil {
			t.Fatal(err)
		}
		o = &opened{dir: done.Dir, out: out, groups: readmetest.Groups(string(text)), images: w.Open(done.Dir).Inventory().Images}
		o.words = map[string]string{"DIR": o.dir, "OUT": out, "KEY": w.KeyFile()}
		from, to := readmetest.Find(t, o.groups, `cd "DIR"`), readmetest.Find(t, o.groups, "index.json")
		if said := strings.Contains(string(text), "alone it is not whole"); said != (done == second) {
			t.Errorf("README.txt of %s: %s", done.Dir, text)
		}
		return o, "set -e\n" + strings.Join(o.groups[from:to], "")
	}
	o, lines := open(first)
	if said, err := o.run(t, nil, lines); err != nil || !strings.Contains(said, "complete: "+out+"/layout\n") {
		t.Fatalf("%v\n%s", err, said)
	}
	o, lines = open(second)
	if said, err := o.run(t, nil, lines); err != nil || !strings.Contains(said, "complete: "+out+"/layout\n") {
		t.Fatalf("%v\n%s", err, said)
	}
	home, host, c := homeOf(t), registrytest.StartV3(t, false, "", "").Host, transport.NewClient(transport.Config{})
	defer c.Close()
	for _, img := range o.images {
		line := strings.Replace(o.groups[readmetest.Find(t, o.groups, "skopeo copy")], "copy ", "copy --dest-tls-verify=false ", 1)
		words := map[string]string{"HOST": host, "PATH": img.Source.Repository, "TAG": "v1", "NAME": img.Source.String()}
		if said, err := o.run(t, words, line, "HOME="+home, "XDG_CONFIG_HOME="+home+"/.config"); err != nil {
			t.Errorf("%s: %v\n%s", img.Source, err, said)
		}
		check(t, c, host, img.Source.Repository, img)
	}
	if len(o.images) != 2 || !strings.Contains(o.images[0].Source.String()+o.images[1].Source.String(), "team/app") {
		t.Errorf("%s is not among %+v", moved, o.images)
	}
}
