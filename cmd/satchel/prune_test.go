package main

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// pruneWorld is a mirror that two bundles of a stream were unpacked into; tags moved meanwhile.
type pruneWorld struct {
	*world
	*ocitest.Content
	to   string
	kept map[string]oci.Descriptor // by repository and tag
	old  []oci.Descriptor          // of in/team/app
}

func newPruneWorld(t *testing.T, host string, seed uint64) *pruneWorld {
	source := registrytest.StartOlareg(t)
	p := &pruneWorld{newWorld(t), ocitest.New(seed), host + "/in", map[string]oci.Descriptor{}, nil}
	p.images(source.Host+"/team/app:v1", source.Host+"/team/list:v1", source.Host+"/team/same:v1")
	image := func() oci.Descriptor { return p.Image(false, p.Layer(2000, ocitest.LayerGzip)) }
	same := image()
	for range 2 {
		app, list := image(), p.Index(false, image(), image())
		push(t, p.Content, app, source.Host, "team/app", "v1")
		push(t, p.Content, list, source.Host, "team/list", "v1")
		push(t, p.Content, same, source.Host, "team/same", "v1")
		p.kept = map[string]oci.Descriptor{"in/team/app:v1": app, "in/team/list:v1": list, "in/team/same:v1": same}
		p.old = append(p.old, app)
		if err := os.RemoveAll(p.drive); err != nil {
			t.Fatal(err)
		}
		p.run(p.pack()...).want(exitOK)
		p.run(p.unpack(p.to)...).want(exitOK)
	}
	return p
}

func (p *pruneWorld) prune(more ...string) []string {
	return append([]string{"prune", "--to", p.to, "--tls-verify=false", "--no-cluster", "--keep", "1"}, more...)
}

// TestPruneCommand shows what would go, deletes only when told to, and says what it did.
func TestPruneCommand(t *testing.T) {
	t.Parallel()
	mirror := registrytest.StartV3(t, false, "", "")
	p := newPruneWorld(t, mirror.Host, 81)
	shown := p.run(p.prune()...).want(exitOK).says("nothing was deleted: the same command with --yes deletes")
	for _, want := range []string{"GOES", "in/team/app", "oci.DigestTag", "not kept", "goes         4 manifests"} {
		if want = strings.ReplaceAll(want, "oci.DigestTag", oci.DigestTag(p.old[0].Digest)); !strings.Contains(shown.stdout, want) {
			t.Errorf("it does not show %s:\n%s", want, shown.stdout)
		}
	}
	const space = "until the registry collects it"
	dry := p.run(p.prune("--dry-run")...).want(exitOK).says("this was a dry run").says(space)
	if !strings.HasSuffix(dry.stderr, "nothing was deleted: this was a dry run\n") {
		t.Errorf("that nothing was deleted stands not at the end:\n%s", dry.stderr)
	}
	if strings.Contains(shown.stderr, space) {
		t.Errorf("nothing was deleted, and it tells how space comes back:\n%s", shown.stderr)
	}
	p.run(p.prune("--dry-run", "--yes")...).want(exitUsage)
	p.run(append(p.prune(), "--keep", "0")...).want(exitUsage)
	p.run("prune", "--no-cluster").want(exitUsage).says("--to")
	away := p.prune()
	away[2] = "127.0.0.1:1/in"
	p.run(append(away, "--retry-times", "0")...).want(exitRegistry)

	var said pruned
	done := p.run(p.prune("--yes", "-o", "json")...).want(exitOK)
	if err := json.Unmarshal([]byte(done.stdout), &said); err != nil || said.DryRun || said.Command != "prune" || said.Count("deleted") != 4 || len(said.Kept) != 1 || len(said.Dropped) != 1 || said.Receipt == "" {
		t.Errorf("%v: %s", err, done.stdout)
	}
	mirror.Collect(t, true)
	compareAll(t, p.Content, p.kept, mirror.Host)
	if idle := p.run(p.prune("--yes")...).want(exitOK).says("nothing to delete"); strings.Contains(idle.stderr, space) {
		t.Errorf("there is nothing to delete, and it tells how space comes back:\n%s", idle.stderr)
	}
	if rep := p.receiptsIn(p.to); len(rep.Receipts) != 2 {
		t.Errorf("%+v", rep)
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "state", "satchel", "mirrors")); err != nil {
		t.Fatal(err)
	}
	p.run(p.prune("--yes")...).want(exitOK).says("no receipt says that satchel pushed anything")
}

// TestPruneRefused ends with its own status where the registry deletes nothing.
func TestPruneRefused(t *testing.T) {
	t.Parallel()
	p := newPruneWorld(t, registrytest.StartUndeletable(t).Host, 82)
	p.run(p.prune("--yes")...).want(exitGaps).says("2 manifests or tags were not deleted").says("storage.delete.enabled")
}

// TestKillPrune kills prune by SIGKILL at requests of any kind: what is kept stays, and the next
// run does the rest.
func TestKillPrune(t *testing.T) {
	t.Parallel()
	mirror := registrytest.StartV3(t, false, "", "")
	proxy := registrytest.StartProxy(t, mirror.Host)
	var left atomic.Int64
	var victim atomic.Pointer[process]
	proxy.Answer = func(http.ResponseWriter, *http.Request) bool {
		if v := victim.Load(); v != nil && left.Add(-1) == 0 {
			_ = v.cmd.Process.Kill() // it may have ended
		}
		return false
	}
	p := newPruneWorld(t, proxy.Host, 83)
	stride := int64(40)
	if os.Getenv("SATCHEL_SOAK") != "" {
		stride = 1
	}
	storage, state, now := t.TempDir(), t.TempDir(), filepath.Join(p.dir, "state")
	copyTree(t, mirror.Dir, storage)
	copyTree(t, now, state)
	for n := int64(1); ; n += stride {
		copyTree(t, storage, mirror.Dir)
		copyTree(t, state, now)
		v := p.start(p.prune("--yes")...)
		left.Store(n)
		victim.Store(v)
		r := v.wait()
		victim.Store(nil)
		if r.code >= 0 {
			r.want(exitOK)
			return
		}
		compareAll(t, p.Content, p.kept, mirror.Host)
		p.run(p.prune("--yes")...).want(exitOK)
		compareAll(t, p.Content, p.kept, mirror.Host)
		p.run(p.prune("--yes")...).want(exitOK).says("nothing to delete")
	}
}

// copyTree makes a directory what another one is.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(to, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}
