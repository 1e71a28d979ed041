package main

import (
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// tree is everything below a directory: names, modes and bytes. It is empty for
// one that is not there.
func tree(t testing.TB, dir string) (list []string) {
	t.Helper()
	if !exists(dir) {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := e.Info()
		body := ""
		if err == nil && !e.IsDir() {
			body = string(readFile(t, path))
		}
		list = append(list, fmt.Sprint(strings.TrimPrefix(path, dir), " ", info.Mode(), "\n", body))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// names are the first lines of a tree's entries.
func names(list []string) (short []string) {
	for _, e := range list {
		line, _, _ := strings.Cut(e, "\n")
		short = append(short, line)
	}
	return short
}

// sameTree wants two directories to be equal, and not empty.
func sameTree(t testing.TB, a, b string) {
	t.Helper()
	left, right := withoutReceipt(tree(t, a)), withoutReceipt(tree(t, b))
	if len(left) == 0 || !slices.Equal(left, right) {
		t.Errorf("%s and %s differ:\n%s\n%s", a, b, strings.Join(names(left), "\n"), strings.Join(names(right), "\n"))
	}
}

// withoutReceipt leaves out the receipt, which unpack alone writes, and the list that has it.
func withoutReceipt(list []string) []string {
	return slices.DeleteFunc(list, func(e string) bool {
		return strings.HasPrefix(e, "/receipt.json ") || strings.HasPrefix(e, "/"+outList+" ")
	})
}

// smallSite packs a small release and gives what is needed inside.
func smallSite(t *testing.T, seed uint64, size int) (*world, *outside, ocpRelease) {
	t.Helper()
	o := newOutside(seed)
	r := o.smallRelease(t, 6, size)
	w := newWorld(t)
	w.imageset(releaseConfig(r))
	w.packed(t, o)
	return w, o, r
}

// TestKillOutput kills unpack at many points: there is no YAML for the cluster
// before the mirror has every image, and in the end it is what render writes.
func TestKillOutput(t *testing.T) {
	rnd := seeded(t)
	w, o, r := smallSite(t, 411, 2<<20)
	mirror := newMirror(t)
	proxy := registrytest.StartProxy(t, mirror)
	k := &tap{kind: "PUT upload", rate: 32 << 20}
	k.through(proxy)
	out := filepath.Join(w.dir, "out")
	unpack := w.unpack(proxy.Host+"/ocp", "--output-dir", out)
	for range 4 {
		killedBefore(t, w, k, out, 1+rnd.Int64N(1<<20), 0, unpack)
	}
	kills := 0
	for killedBefore(t, w, k, out, 0, 6+kills*12, unpack) {
		kills++
	}
	if kills < 4 {
		t.Errorf("the run that nothing befell came after %d kills", kills)
	}
	compareMirrored(t, o.content, mirror, r.mirrored("ocp")) // a run that wrote YAML had pushed everything
	w.run(unpack...).want(exitOK)
	compareMirrored(t, o.content, mirror, r.mirrored("ocp"))
	rendered := filepath.Join(w.dir, "rendered")
	w.run("render", "-i", w.key, "--to", proxy.Host+"/ocp", "--tls-verify=false", "--output-dir", rendered, w.drive).want(exitOK)
	sameTree(t, out, rendered)
	for _, name := range []string{"APPLY.md", "registries.conf"} {
		if !exists(filepath.Join(out, name)) {
			t.Errorf("%s is not there", name)
		}
	}
}

// killedBefore kills unpack at a mark, and reports whether it was still pushing
// then: nothing may be in out. A kill at its last requests may find it writing.
func killedBefore(t *testing.T, w *world, k *tap, out string, bytes int64, requests int, unpack []string) bool {
	t.Helper()
	if exists(filepath.Join(out, outList)) {
		return false // an earlier run came to its end
	}
	r, ended := w.killed(k, bytes, requests, 0, unpack...)
	if ended {
		r.want(exitOK)
		return false
	}
	got := tree(t, out)
	if len(got) > 0 && bytes > 0 {
		t.Errorf("killed after %d bytes, it left %v", bytes, names(got))
	}
	return len(got) == 0
}

// TestKillWriting kills unpack while it writes the YAML: every image is in the
// mirror then, and the next run completes what was begun.
func TestKillWriting(t *testing.T) {
	w, o, r := smallSite(t, 412, 10<<10)
	mirror := newMirror(t)
	w.run(w.unpack(mirror + "/ocp")...).want(exitOK)
	compareMirrored(t, o.content, mirror, r.mirrored("ocp"))
	rendered := filepath.Join(w.dir, "rendered")
	w.run("render", "-i", w.key, "--to", mirror+"/ocp", "--tls-verify=false", "--output-dir", rendered, w.drive).want(exitOK)
	for i, name := range []string{outList, "APPLY.md", "registries.conf", outList} {
		out := filepath.Join(w.dir, fmt.Sprint("out-", i))
		unpack := w.unpack(mirror+"/ocp", "--output-dir", out)
		p := w.start(unpack...)
		stop, ended := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(ended)
			for !exists(filepath.Join(out, name)) {
				select {
				case <-stop:
					return
				case <-time.After(20 * time.Microsecond):
				}
			}
			_ = p.cmd.Process.Kill() // it may have ended
		}()
		p.wait()
		close(stop)
		<-ended
		w.run(unpack...).want(exitOK)
		sameTree(t, out, rendered)
	}
}

// TestNoOutput shows a mirror that refuses one repository: the rest may be
// pushed, and no YAML is written.
func TestNoOutput(t *testing.T) {
	t.Parallel()
	w, _, r := smallSite(t, 413, 10<<10)
	mirror := newMirror(t)
	proxy := registrytest.StartProxy(t, mirror)
	proxy.Answer = func(rw http.ResponseWriter, req *http.Request) bool {
		if req.Method == http.MethodPut && strings.Contains(req.URL.Path, "/openshift/release-images/manifests/"+r.name) {
			http.Error(rw, `{"errors":[{"code":"DENIED","message":"not here"}]}`, http.StatusForbidden)
			return true
		}
		return false
	}
	_ = proxy.Count("")
	out := filepath.Join(w.dir, "out")
	w.run(w.unpack(proxy.Host+"/ocp", "--output-dir", out, "--retry-times", "0")...).want(exitRegistry).says("openshift/release-images")
	if got := tree(t, out); len(got) > 0 {
		t.Errorf("it left %v", names(got))
	}
	render := []string{"render", "-i", w.key, "--to", proxy.Host + "/ocp", "--tls-verify=false", "--output-dir", out, w.drive}
	w.run(render...).want(exitFailed).says("of the 7 images of this bundle", r.source)
	if got := tree(t, out); len(got) > 0 {
		t.Errorf("render left %v", names(got))
	}
	w.run(append(render, "--offline")...).want(exitOK)
	if len(tree(t, out)) == 0 {
		t.Error("render --offline wrote nothing")
	}
}

// TestMalformedPullSecret gives unpack pull secrets that cannot be read: nothing
// is pushed, and nothing of them is printed.
func TestMalformedPullSecret(t *testing.T) {
	t.Parallel()
	w, _, _ := smallSite(t, 414, 10<<10)
	mirror := newMirror(t)
	proxy := registrytest.StartProxy(t, mirror)
	file, out := filepath.Join(w.dir, "pull-secret.json"), filepath.Join(w.dir, "out")
	const auth = "c2VjcmV0dXNlcjpoaWRkZW5wYXNzd29yZA==" // secretuser:hiddenpassword
	for _, tc := range []struct{ name, body, place string }{
		{"a comma too many", `{"auths": {` + "\n" + `  "quay.io": {"auth": "` + auth + `", "email": "hidden@person.example"},` + "\n}}", ":3:1"},
		{"a brace too few", `{"auths": {"quay.io": {"auth": "` + auth + `"}}`, ":1:"},
		{"no quotes", `{"auths": {"quay.io": {"auth": ` + auth + `}}}`, ":1:32"},
		{"no colon", "{\"auths\": {\n\"quay.io\": {\"auth\": \"" + auth + "\"},\n\"registry.hidden.example\"{\"auth\": \"" + auth + "\"}}}", ":3:26"},
		{"not base64", "{\"auths\": {\n\"quay.io\": {\"auth\": \"hidden%%password\"}}}", ":2:"},
		{"no auths", `{"hiddenkey": {"auth": "` + auth + `"}}`, ":1:"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if err := os.WriteFile(file, []byte(tc.body), 0o600); err != nil {
				t.Fatal(err)
			}
			w := w.in(t)
			for _, args := range [][]string{
				w.unpack(proxy.Host+"/ocp", "--output-dir", out, "--pull-secret", file),
				{"render", "-i", w.key, "--to", proxy.Host + "/ocp", "--tls-verify=false", "--output-dir", out, "--pull-secret", file, w.drive},
			} {
				r := w.run(args...).want(exitUsage).says(file + tc.place)
				for _, secret := range []string{auth, auth[:8], auth[len(auth)-8:], "hidden", "secretuser", "person"} {
					if strings.Contains(r.stdout+r.stderr, secret) {
						t.Errorf("%q is printed:\n%s%s", secret, r.stdout, r.stderr)
					}
				}
			}
			if got := proxy.Counts(); len(got) > 0 {
				t.Errorf("the mirror was asked %v", got)
			}
			if got := tree(t, out); len(got) > 0 {
				t.Errorf("it left %v", names(got))
			}
		})
	}
}
