package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// refuse answers a request as registries do.
func refuse(w http.ResponseWriter, r *http.Request, status int, code, message string) bool {
	io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"errors":[{"code":%q,"message":%q}]}`, code, message)
	return true
}

// troubled is a proxy whose repositories each have the problem that their name says.
func troubled(t *testing.T) *registrytest.Proxy {
	t.Helper()
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		kind, path := registrytest.Kind(r), r.URL.Path
		digested := strings.Contains(path, "/manifests/sha256:")
		switch {
		case strings.HasPrefix(path, "/v2/absent/") && kind == "POST upload":
			return refuse(w, r, 404, "NAME_UNKNOWN", "project not found")
		case strings.HasPrefix(path, "/v2/flat/") && strings.Count(strings.Split(path, "/blobs/")[0], "/") > 3 && kind == "POST upload":
			return refuse(w, r, 401, "UNAUTHORIZED", "access to the requested resource is not authorized")
		case strings.HasPrefix(path, "/v2/tagged/") && kind == "PUT manifest" && digested:
			return refuse(w, r, 400, "MANIFEST_INVALID", "a manifest needs a tag")
		case strings.HasPrefix(path, "/v2/dense/") && kind == "PUT manifest" && digested && r.Header.Get("Content-Type") == oci.MediaTypeIndex:
			return refuse(w, r, 404, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry")
		case kind == "PUT manifest" && digested && r.Header.Get("Content-Type") == oci.MediaTypeIndex: // takes what the registry behind does not
			io.Copy(io.Discard, r.Body)
			w.WriteHeader(http.StatusCreated)
			return true
		case strings.HasPrefix(path, "/v2/weak/") && kind == "POST upload":
			return refuse(w, r, 403, "DENIED", "requested access to the resource is denied")
		case strings.HasPrefix(path, "/v2/full/") && kind == "POST upload":
			w.Header().Set("Content-Type", "text/plain")
			w.WriteHeader(500)
			fmt.Fprintln(w, "write /data/x: no space left on device")
			return true
		case strings.HasPrefix(path, "/v2/fuller/") && kind == "POST upload":
			return refuse(w, r, 507, "UNKNOWN", "")
		case strings.HasPrefix(path, "/v2/quota/") && kind == "PUT upload":
			return refuse(w, r, 403, "DENIED", "adding 20 B would exceed the configured quota")
		case strings.HasPrefix(path, "/v2/odd/") && kind == "POST upload":
			return refuse(w, r, 418, "", "")
		}
		return false
	}
	return p
}

// problems takes the error of a probe apart, by repository.
func problems(t *testing.T, err error) map[string]Problem {
	t.Helper()
	list := map[string]Problem{}
	var order []string
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("not a joined error: %v", err)
	}
	for _, e := range joined.Unwrap() {
		var p *ProbeError
		if !errors.As(e, &p) || !strings.Contains(e.Error(), p.Repo.Name()) || !strings.Contains(e.Error(), string(p.Problem)) {
			t.Fatalf("%T %v", e, e)
		}
		list[p.Repo.Repository] = p.Problem
		order = append(order, p.Repo.Repository)
	}
	if !slices.IsSorted(order) {
		t.Errorf("not by name: %v", order)
	}
	return list
}

func repos(host string, names ...string) (list []oci.Ref) {
	for _, n := range names {
		list = append(list, oci.Ref{Registry: host, Repository: n})
	}
	return list
}

func probeRepos(c *Client, host string, sparse bool, names ...string) error {
	list := repos(host, names...)
	return NewMirror(c, oci.Mirror{Host: host}, 4).Probe(context.Background(), list, lacking(sparse, list))
}

// unknownManifest is a manifest that no registry has.
func unknownManifest() []oci.Descriptor {
	return []oci.Descriptor{{MediaType: oci.MediaTypeManifest, Digest: oci.Digest([]byte("a manifest that is nowhere")), Size: 26}}
}

// lacking has all repositories get sparse indexes, or none.
func lacking(sparse bool, repos []oci.Ref) map[oci.Ref][]oci.Descriptor {
	list := map[oci.Ref][]oci.Descriptor{}
	for _, ref := range repos {
		if sparse {
			list[ref] = unknownManifest()
		}
	}
	return list
}

// TestProbeNamesEachProblem has several repositories with several problems.
func TestProbeNamesEachProblem(t *testing.T) {
	p := troubled(t)
	want := map[string]Problem{
		"absent/one": ProblemProject, "absent/two": ProblemProject, "flat/a/b/c": ProblemDepth, "tagged/x": ProblemUntagged, "dense/x": ProblemSparse,
		"weak/x": ProblemDenied, "full/x": ProblemFull, "fuller/x": ProblemFull, "quota/x": ProblemQuota, "odd/x": ProblemOther,
	}
	names := []string{"flat/a", "good/one", "good/two/three"}
	for n := range want {
		names = append(names, n)
	}
	m := NewMirror(insecure(t), oci.Mirror{Host: p.Host}, 4)
	err := m.Probe(t.Context(), repos(p.Host, names...), lacking(true, repos(p.Host, names...)))
	got := problems(t, err)
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(got), len(want), err)
	}
	for n, problem := range want {
		if got[n] != problem {
			t.Errorf("%s: %q, want %q", n, got[n], problem)
		}
	}
	// Debian's registry takes no sparse index.
	reg := registrytest.Start(t)
	if got := problems(t, probeRepos(insecure(t), reg.Host, true, "a/b"))["a/b"]; got != ProblemSparse {
		t.Errorf("docker-registry: %q", got)
	}
	// Without sparse indexes to come to a repository, none is tried there.
	if err := m.Probe(t.Context(), repos(p.Host, "dense/x", "good/one"), lacking(true, repos(p.Host, "good/one"))); err != nil {
		t.Error(err)
	}
	for _, r := range p.Requests() {
		if strings.HasPrefix(r, "PUT ") && strings.Contains(r, "/manifests/") && !strings.HasSuffix(r, "/manifests/"+ProbeTag) && !probeDigest(r) {
			t.Errorf("more than a probe was pushed: %s", r)
		}
	}
}

// probeDigest reports whether a request ends in the digest of a manifest of a probe.
func probeDigest(request string) bool {
	c, err := probe.New(probe.Base{}, unknownManifest())
	return err == nil && (strings.HasSuffix(request, c.Untagged.Digest.String()) || strings.HasSuffix(request, c.Sparse.Digest.String()))
}

// TestProbeIsRemoved looks for what is left in registries with and without DELETE.
func TestProbeIsRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		left bool
	}{
		"deletes": {registrytest.Start(t).Host, false}, "keeps": {registrytest.StartUndeletable(t).Host, true}, "olareg": {registrytest.StartOlareg(t).Host, false},
	} {
		client := insecure(t)
		m := NewMirror(client, oci.Mirror{Host: c.host}, 4)
		if err := m.Probe(t.Context(), repos(c.host, "a/b"), nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r, err := client.Repository(repos(c.host, "a/b")[0])
		if err != nil {
			t.Fatal(err)
		}
		left, err := r.tagDigest(t.Context(), ProbeTag)
		if err != nil || (left != "") != c.left {
			t.Errorf("%s: the tag names %q, %v", name, left, err)
		}
		content, err := probe.New(probe.Base{}, unknownManifest())
		if err != nil {
			t.Fatal(err)
		}
		if has(t, client, r.ref, content.Untagged) != c.left || has(t, client, r.ref, content.Config) != c.left {
			t.Errorf("%s: manifest or blob is there: not %v", name, c.left)
		}
		if err := probeRepos(client, c.host, false, "a/b"); err != nil {
			t.Errorf("%s, again: %v", name, err)
		}
	}
}

func TestProbeReadOnlyRegistry(t *testing.T) {
	reg := registrytest.StartReadOnly(t, t.TempDir())
	if got := problems(t, probeRepos(insecure(t), reg.Host, false, "a/b"))["a/b"]; got != ProblemReadOnly {
		t.Errorf("problem %q", got)
	}
}

// TestProbeFullRegistry fills the disk of a real registry.
func TestProbeFullRegistry(t *testing.T) {
	dir := t.TempDir()
	if out, err := proctest.Command(t, "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("mounting is not permitted here: %s", out)
	}
	t.Cleanup(func() { proctest.Command(t, "umount", "-l", dir).Run() })
	reg := registrytest.StartOn(t, dir)
	if err := probeRepos(insecure(t), reg.Host, false, "a/b"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, 2<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	if got := problems(t, probeRepos(insecure(t), reg.Host, false, "c/d"))["c/d"]; got != ProblemFull {
		t.Errorf("problem %q", got)
	}
}

func TestProbeCredentials(t *testing.T) {
	reg := registrytest.StartAuth(t, "user", "geheim")
	c := quick(t, Config{Authfile: authfile(t, map[string]string{reg.Host: "user:falsch"})})
	err := probeRepos(c, reg.Host, false, "a/b")
	if got := problems(t, err)["a/b"]; got != ProblemCredentials || strings.Contains(err.Error(), "falsch") {
		t.Errorf("a wrong password: %v", err)
	}

	// A token service that gives no more than pull.
	service := fake(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, `{"token":"weak"}`) })
	host := fake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") == "Bearer weak" && r.Method == http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		default:
			w.Header().Set("WWW-Authenticate", `Bearer realm="http://`+service+`/token",service="test",scope="repository:a/b:pull,push",error="insufficient_scope"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	c = quick(t, Config{Authfile: authfile(t, map[string]string{host: "user:geheim"}), Push: true})
	if got := problems(t, probeRepos(c, host, false, "a/b"))["a/b"]; got != ProblemDenied {
		t.Errorf("with a token to pull: %q", got)
	}
}

func TestProbeWithoutAConnection(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	plain := fake(t, func(http.ResponseWriter, *http.Request) {})
	for host, want := range map[string]Problem{strings.TrimPrefix(srv.URL, "https://"): ProblemTLS, plain: ProblemTLS, "127.0.0.1:1": ProblemUnreachable} {
		c := quick(t, Config{Authfile: authfile(t, nil), TLSVerify: true})
		got := problems(t, probeRepos(c, host, false, "a/b", "c"))
		if got["a/b"] != want || got["c"] != want {
			t.Errorf("%s: %v, want %q twice", host, got, want)
		}
	}
}

// TestMissingLeavesRefusalsToTheProbe has HEAD refused as registries do that
// limit depth.
func TestMissingLeavesRefusalsToTheProbe(t *testing.T) {
	p := registrytest.StartProxy(t, registrytest.Start(t).Host)
	p.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if strings.HasPrefix(r.URL.Path, "/v2/mirror/team/") {
			return refuse(w, r, 401, "UNAUTHORIZED", "")
		}
		return false
	}
	content, d := oneBlob(p.Host, 1000)
	inv := images(map[string]oci.Descriptor{"a": content.Image(false, d.Blob)})
	m := mirrorAt(insecure(t), p.Host, 2)
	missing, err := m.Missing(t.Context(), content, inv)
	if err != nil || len(missing.Images) != 1 || len(missing.Blobs) != 2 {
		t.Fatalf("%+v, %v", missing, err)
	}
	if got := problems(t, m.Probe(t.Context(), m.Repos(missing), nil))["mirror/team/a"]; got != ProblemCredentials {
		t.Errorf("problem %q", got)
	}
}

// TestSparse asks registries for what is really left out: one that has it already,
// and one that demands other platforms alone, take the index.
func TestSparse(t *testing.T) {
	content := ocitest.New(9)
	layer := func() oci.Descriptor { return content.Layer(1000, ocitest.LayerGzip) }
	amd, arm := content.Image(false, layer()), content.ImageFor("arm64", false, layer())
	whole := images(map[string]oci.Descriptor{"a": content.IndexFor(false, []string{"amd64", "arm64"}, amd, arm), "b": content.Index(false, content.IndexFor(false, []string{"amd64", "arm64"}, amd, arm), arm)})
	inv := images(map[string]oci.Descriptor{"a": whole.Images[0].Root, "b": whole.Images[1].Root, "c": amd})
	inv.Images[0].Omitted, inv.Images[1].Omitted = []digest.Digest{amd.Digest}, []digest.Digest{amd.Digest}
	try := func(host string) (found map[string]Problem) {
		m := mirrorAt(insecure(t), host, 2)
		sparse, err := m.Sparse(t.Context(), content, inv.Images)
		if err != nil {
			t.Fatal(err)
		}
		list := repos(host, "mirror/team/a", "mirror/team/b", "mirror/team/c")
		for ref, lacks := range sparse {
			if len(lacks) != 1 || lacks[0].Digest != amd.Digest || ref == list[2] {
				t.Errorf("%s lacks %v", ref.Name(), lacks)
			}
		}
		if err := m.Probe(t.Context(), list, sparse); err != nil {
			found = problems(t, err)
		}
		return found
	}
	strict := registrytest.Start(t).Host
	for _, host := range []string{strict, registrytest.StartOlareg(t).Host, registrytest.StartV3(t, false, "", "").Host, registrytest.StartSparse(t, "amd64").Host} {
		if got := try(host); len(got) != 2 || got["mirror/team/a"] != ProblemSparse || got["mirror/team/b"] != ProblemSparse {
			t.Errorf("problems %v", got)
		}
	}
	for _, host := range []string{registrytest.StartSparse(t).Host, registrytest.StartSparse(t, "arm64", "s390x").Host} {
		if got := try(host); len(got) > 0 {
			t.Errorf("problems %v", got)
		}
	}
	mustFill(t, mirrorAt(insecure(t), strict, 1), content, whole)
	if got := try(strict); len(got) > 0 {
		t.Errorf("it has them all: problems %v", got)
	}
	// Nothing of the images went with the probe's index.
	for _, d := range []oci.Descriptor{amd, arm, whole.Images[0].Root} {
		if !has(t, insecure(t), repos(strict, "mirror/team/a")[0], d) {
			t.Errorf("%s is gone", d.Digest)
		}
	}
}

// TestMissingParts has a mirror with an index of which a platform is not there.
func TestMissingParts(t *testing.T) {
	content := ocitest.New(10)
	layer := func() oci.Descriptor { return content.Layer(1000, ocitest.LayerGzip) }
	amd, arm := content.Image(false, layer()), content.ImageFor("arm64", false, layer())
	whole := images(map[string]oci.Descriptor{"a": content.IndexFor(true, []string{"amd64", "arm64"}, amd, arm)})
	some := images(map[string]oci.Descriptor{"a": whole.Images[0].Root})
	some.Images[0].Omitted = []digest.Digest{arm.Digest}
	m := mirrorAt(insecure(t), registrytest.StartSparse(t).Host, 2)
	mustFill(t, m, content, some)
	for inv, want := range map[*oci.Inventory]int{some: 0, whole: 1} {
		missing, err := m.Missing(t.Context(), content, inv)
		if err != nil || len(missing.Images) != want || len(missing.Blobs) != 2*want {
			t.Errorf("missing %+v, %v", missing, err)
		}
		lacks, err := m.Lacks(t.Context(), content, inv)
		if err != nil || len(lacks) != want {
			t.Errorf("lacks %+v, %v", lacks, err)
		}
	}
	mustFill(t, m, content, whole)
	if lacks, err := m.Lacks(t.Context(), content, whole); err != nil || len(lacks) > 0 {
		t.Errorf("lacks %+v, %v", lacks, err)
	}
}
