package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// without runs a command without variables of the environment.
func (w *world) without(variables []string, args ...string) result {
	w.t.Helper()
	p := w.prepare(args...)
	p.cmd.Env = slices.DeleteFunc(p.cmd.Env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(variables, name)
	})
	if err := p.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return p.wait()
}

// TestNoHome: without a home directory there is no cache, which is a warning. The journal
// needs a directory, and a variable may name it.
func TestNoHome(t *testing.T) {
	t.Parallel()
	source := registrytest.StartOlareg(t)
	c := ocitest.New(91)
	w := newWorld(t)
	w.images(push(t, c, c.Image(true, c.Layer(1<<16, ocitest.LayerGzip)), source.Host, "team/app", "v1"))
	none := []string{"HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "TERM"}
	for _, args := range [][]string{{"plan", "-c", w.config, "--tls-verify=false"}, w.pack()} {
		r := w.without(none, args...).want(exitOK).says("satchel: warning: no cache: ")
		if n := strings.Count(r.stderr, "warning: ") - strings.Count(r.stderr, "on the system's own disk"); n != 1 {
			t.Errorf("%d warnings:\n%s", n, r.stderr)
		}
	}
	w.without(none, "unpack", "-i", w.key, "--to", registrytest.StartOlareg(t).Host, "--tls-verify=false", w.drive).want(exitOK)
	w.without(append(none, "XDG_STATE_HOME"), w.pack()...).want(exitUsage).says("hint: set HOME or XDG_STATE_HOME")
	if left, err := os.ReadDir(w.dir); err != nil || slices.ContainsFunc(left, func(e os.DirEntry) bool { return strings.HasPrefix(e.Name(), "satchel-") }) {
		t.Errorf("a temporary directory was left: %v, %v", left, err)
	}
}
