package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// TestEndIntent ends what an unpack left open, by the bundle's ID.
func TestEndIntent(t *testing.T) {
	t.Parallel()
	source, w := newSource(t), newWorld(t)
	mirror := registrytest.StartProxy(t, registrytest.Start(t).Host)
	c := ocitest.New(73)
	if err := ocitest.Push(t.Context(), c, c.Index(false, c.Image(false, c.Layer(500, ocitest.LayerGzip))), "http://"+source, "team/app", "v1"); err != nil {
		t.Fatal(err)
	}
	w.images(source + "/team/app:v1")
	w.run(w.pack()...).want(exitOK)
	var intended atomic.Bool
	mirror.Answer = func(rw http.ResponseWriter, r *http.Request) bool {
		if strings.Contains(r.URL.Path, "-intent-") {
			intended.Store(true)
		}
		if intended.Load() && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/team/app/manifests/") {
			rw.WriteHeader(http.StatusForbidden)
			return true
		}
		return false
	}
	if r := w.run(w.unpack(mirror.Host)...); r.code == exitOK {
		t.Fatal(r.stderr)
	}
	mirror.Answer = nil
	if said := w.run("receipt", "--to", mirror.Host, "--tls-verify=false", "--no-default=all").want(exitOK).stdout; !strings.Contains(said, " --no-default all --end-intent ") {
		t.Errorf("what was typed is not kept: %s", said)
	}
	list := w.run("receipt", "--to", mirror.Host, "--tls-verify=false").want(exitOK).stdout
	_, id, found := strings.Cut(strings.TrimSpace(list), "--end-intent ")
	if !found {
		t.Fatal(list)
	}
	if !strings.Contains(list, "or end it with: satchel receipt --to "+mirror.Host+" --tls-verify=false --end-intent "+id) {
		t.Error(list)
	}
	w.run("prune", "--to", mirror.Host, "--no-cluster", "--tls-verify=false", "--dry-run").want(exitFailed).says("satchel receipt --to " + mirror.Host + " --tls-verify=false --end-intent " + id + "\n")
	end := func(id string, more ...string) result {
		return w.run(append([]string{"receipt", "--to", mirror.Host, "--tls-verify=false", "--end-intent", id}, more...)...)
	}
	end("aaaaaaaaaaaaaaaa").want(exitUsage).says("aaaaaaaaaaaaaaaa", "open is "+id)
	end(id, "--adopt").want(exitUsage).says("--end-intent goes with no")
	end(id).want(exitOK).says("0 are there", "ended")
	end(id).want(exitOK).says("it has ended")
	if rep := w.receiptsIn(mirror.Host); len(rep.Open) != 0 || len(rep.Receipts) != 1 {
		t.Errorf("%+v", rep)
	}
	w.run(w.unpack(mirror.Host)...).want(exitOK)
}
