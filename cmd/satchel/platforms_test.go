package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// fourArchs are those of the indexes in these tests.
func fourArchs() []string { return []string{"amd64", "arm64", "ppc64le", "s390x"} }

// wide publishes an index of four architectures, each with a layer of its own.
func (o *outside) wide(t testing.TB, ref string, docker bool, size int) (root oci.Descriptor, children []oci.Descriptor) {
	t.Helper()
	for i, arch := range fourArchs() {
		children = append(children, o.content.ImageFor(arch, docker, o.base[i%3], o.content.Layer(size, ocitest.LayerGzip)))
	}
	root = o.content.IndexFor(docker, fourArchs(), children...)
	o.publish(t, ref, root)
	return root, children
}

// platformSet is images of several platforms, and what is attached to some.
type platformSet struct {
	*outside
	roots map[string]oci.Descriptor // by path in the mirror and tag
	out   []oci.Descriptor          // images that are not for arm64
}

const platformsText = "  additionalImages:\n  - {name: 'quay.io/team/app:v1', platforms: [{os: linux, architecture: arm64}]}\n  - {name: 'quay.io/team/list:v1', platforms: [{os: linux, architecture: arm64}]}\n  - name: quay.io/team/whole:v1\n"

func newPlatformSet(t testing.TB, seed uint64, size int) *platformSet {
	t.Helper()
	s := &platformSet{outside: newOutside(seed), roots: map[string]oci.Descriptor{}}
	for _, name := range []string{"app", "list", "whole"} {
		root, children := s.wide(t, "quay.io/team/"+name+":v1", name == "list", size)
		s.roots["team/"+name+":v1"] = root
		for i, child := range append(children, root) {
			sig := s.content.Artifact("application/vnd.example.cosign", s.content.Layer(700, ocitest.LayerGzip))
			s.publish(t, "quay.io/team/"+name+":sha256-"+child.Digest.Encoded()+".sig", sig)
			if name != "whole" && i < len(children) && i != 1 {
				s.out = append(s.out, s.only(t, child)...)
				s.out = append(s.out, sig)
			}
		}
	}
	return s
}

// only lists an image and its own content: not the layers that others share.
func (s *platformSet) only(t testing.TB, root oci.Descriptor) (list []oci.Descriptor) {
	t.Helper()
	err := oci.Walk(t.Context(), s.content, root, func(d oci.Descriptor, _ []byte) error {
		if !slices.ContainsFunc(s.base, func(b oci.Descriptor) bool { return b.Digest == d.Digest }) {
			list = append(list, d)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// opened gives the inventory of the drive, and what of a list is in the bundle.
func (w *world) opened(t testing.TB, list []oci.Descriptor) (*oci.Inventory, []oci.Descriptor) {
	t.Helper()
	ids, err := bundle.ReadIdentities([]string{w.key}, &bundle.UI{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := bundle.Open(t.Context(), []string{w.drive}, bundle.Wanted{}, ids)
	if err != nil {
		t.Fatal(err)
	}
	there := slices.DeleteFunc(slices.Clone(list), func(d oci.Descriptor) bool { return !r.Has(d) })
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	return r.Inventory(), there
}

// status asks a registry for content by digest or tag, and gives the digest it says.
func status(t testing.TB, host, repo string, d oci.Descriptor, name string) (int, string) {
	t.Helper()
	kind := "blobs"
	if oci.IsManifest(d.MediaType) {
		kind = "manifests"
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, "http://"+host+"/v2/"+repo+"/"+kind+"/"+name, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", d.MediaType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close() // of a HEAD
	return resp.StatusCode, resp.Header.Get("Docker-Content-Digest")
}

// checkSparse wants in the mirror all that is carried of an inventory, each tag
// with the source's digest, and nothing of what is left out.
func (s *platformSet) checkSparse(t *testing.T, host, ns string, inv *oci.Inventory, out []oci.Descriptor) {
	t.Helper()
	for _, img := range inv.Images {
		repo := ns + "/" + img.Source.Repository
		for _, tag := range img.NamedTags() {
			if code, got := status(t, host, repo, img.Root, tag); code != http.StatusOK || got != img.Root.Digest.String() {
				t.Errorf("%s:%s: %d, %s, want %s", repo, tag, code, got, img.Root.Digest)
			}
		}
		err := oci.WalkImage(t.Context(), s.content, img, func(d oci.Descriptor, _ []byte) error {
			if code, _ := status(t, host, repo, d, d.Digest.String()); code != http.StatusOK {
				t.Errorf("%s of %s: %d", d.Digest, img.Source, code)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, d := range out {
		for _, name := range []string{"app", "list"} {
			if code, _ := status(t, host, ns+"/team/"+name, d, d.Digest.String()); code != http.StatusNotFound {
				t.Errorf("%s is in team/%s: %d", d.Digest, name, code)
			}
		}
	}
}

// TestPlatforms carries one of four platforms of two images, beside a third as it
// is, to registries that take sparse indexes and to those that do not.
func TestPlatforms(t *testing.T) {
	t.Parallel()
	s := newPlatformSet(t, 501, 400<<10)
	w := newWorld(t)
	w.imageset(platformsText)
	conf := s.conf(t, s.serve(t))
	planned, _ := w.plan(exitOK, "--registries-conf", conf)
	w.run(w.pack("--registries-conf", conf)...).want(exitOK)
	checkPlan(t, w, planned, 3, planSet{attached: 9})
	inv, there := w.opened(t, s.out)
	if len(there) > 0 {
		t.Errorf("%d of %d that are left out are in the bundle", len(there), len(s.out))
	}
	s.checkInspected(t, w)
	w.run("verify", w.drive).want(exitOK)

	t.Run("refused", func(t *testing.T) { s.refused(t, w.in(t)) })
	for name, host := range map[string]string{"any": registrytest.StartSparse(t).Host, "some": registrytest.StartSparse(t, "arm64").Host} {
		t.Run(name, func(t *testing.T) {
			w := w.in(t)
			out := filepath.Join(w.dir, name)
			w.run(w.unpack(host+"/ocp", "--dry-run")...).want(exitOK).says("the mirror accepts everything")
			w.run(w.unpackSite(host+"/ocp", out)...).want(exitOK)
			s.checkSparse(t, host, "ocp", inv, s.out)
			w.run(w.unpack(host + "/ocp")...).want(exitOK).says("nothing to do")
			w.run("render", "-i", w.key, "--to", host+"/ocp", "--tls-verify=false", "--output-dir", filepath.Join(w.dir, name+"-rendered"), w.drive).want(exitOK)
			s.pullArm(t, host, out)
			s.widened(t, host)
		})
	}
}

// checkInspected wants the platforms that are carried, and in JSON those left out.
func (s *platformSet) checkInspected(t *testing.T, w *world) {
	t.Helper()
	var bytes int64
	for _, img := range w.inspected().Images {
		want, platforms, attached := 0, 4, 5
		if img.Source.Repository != "team/whole" {
			want, platforms, attached = 3, 1, 2 // of the index and of the one image
		}
		if img.Subject == "" && (len(img.Without) != want || len(img.Platforms) != platforms || img.Attached != attached) {
			t.Errorf("%s: %+v", img.Source, img)
		}
		bytes += img.Bytes
	}
	if bytes == 0 {
		t.Error("nothing is carried")
	}
	r := w.run("inspect", "-i", w.key, w.drive).want(exitOK)
	for _, line := range strings.Split(r.stdout, "\n") {
		if strings.Contains(line, "quay.io/team/app:v1 ") && !strings.HasSuffix(strings.Join(strings.Fields(line), " "), " 2 linux/arm64") {
			t.Errorf("inspect: %s", line)
		}
	}
}

// refused has mirrors that take no sparse index, or not this one: both repositories
// are reported before the first push, and the third is not.
func (s *platformSet) refused(t *testing.T, w *world) {
	proxy := registrytest.StartProxy(t, registrytest.Start(t).Host)
	for i, host := range []string{proxy.Host, proxy.Host, registrytest.StartSparse(t, "arm64", "s390x").Host, registrytest.StartV3(t, false, "", "").Host, registrytest.StartOlareg(t).Host} {
		args := w.unpack(host+"/ocp", promptly...)
		if i == 0 {
			args = append(args, "--dry-run")
		}
		r := w.run(args...).want(exitRegistry)
		for _, name := range []string{"app", "list"} {
			r.says("satchel: " + host + "/ocp/team/" + name + ": " + string(transport.ProblemSparse) + ": ")
		}
		r.says("hint: " + transport.ProblemSparse.Hint())
		if strings.Contains(r.stderr, "/team/whole: ") {
			t.Error(r.stderr)
		}
	}
	checkOnlyProbed(t, proxy)
}

// pullArm has clients pull the platform by the original name.
func (s *platformSet) pullArm(t *testing.T, mirror, out string) {
	wants(t, "skopeo", "podman")
	n := newNode(t, mirror, out)
	for i, name := range []string{"app", "list"} {
		ref := "quay.io/team/" + name + "@" + s.roots["team/"+name+":v1"].Digest.String()
		for _, cmd := range [][]string{
			{"skopeo", "--insecure-policy", "--registries-conf", n.rules, "--override-arch", "arm64", "copy", "-q", "docker://" + ref, "dir:" + filepath.Join(n.dir, fmt.Sprint("to-", i))},
			{"podman", "--root", filepath.Join(n.dir, "root"), "--runroot", filepath.Join(n.dir, "run"), "--storage-driver", "vfs", "pull", "-q", "--arch", "arm64", ref},
		} {
			if text, err := n.command(n.rules, cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s pulls %s: %v\n%s", cmd[0], ref, err, text)
			}
		}
		if _, err := n.command(n.rules, "skopeo", "--insecure-policy", "--registries-conf", n.rules, "--override-arch", "s390x", "copy", "-q", "docker://"+ref, "dir:"+filepath.Join(n.dir, "none")).CombinedOutput(); err == nil {
			t.Errorf("%s has s390x", ref)
		}
	}
}

// widened brings a further platform of the same indexes to a mirror that has them.
func (s *platformSet) widened(t *testing.T, host string) {
	w := newWorld(t)
	w.imageset(strings.ReplaceAll(platformsText, "architecture: arm64}]", "architecture: arm64}, {os: linux, architecture: s390x}]"))
	conf := s.conf(t, s.serve(t))
	w.run(w.pack("--registries-conf", conf)...).want(exitOK)
	w.run("render", "-i", w.key, "--to", host+"/ocp", "--tls-verify=false", "--output-dir", filepath.Join(w.dir, "early"), w.drive).want(exitFailed).says("/ocp lacks 2 images, 2 signatures and other referrers, of the 3 images, 11 signatures")
	w.run(w.unpack(host+"/ocp", promptly...)...).want(exitOK).says("pushed ")
	inv, _ := w.opened(t, nil)
	s.checkSparse(t, host, "ocp", inv, nil)
	for _, img := range inv.Images {
		if img.Subject == "" && img.Source.Repository != "team/whole" && len(img.Omitted) != 2 {
			t.Errorf("%+v", img)
		}
	}
	w.run(w.unpack(host + "/ocp")...).want(exitOK).says("nothing to do")
}

// TestPlatformsByTwoParts packs an image that one part wants of one platform and
// another part as a whole: no registry need take a sparse index for that.
func TestPlatformsByTwoParts(t *testing.T) {
	t.Parallel()
	s := newPlatformSet(t, 502, 10<<10)
	w := newWorld(t)
	w.imageset(platformsText + "  - name: quay.io/team/app@" + s.roots["team/app:v1"].Digest.String() + "\n  - {name: 'quay.io/team/list:v1', targetTag: v2}\n")
	w.packed(t, s.outside)
	mirror := newMirror(t)
	w.run(w.unpack(mirror + "/ocp")...).want(exitOK)
	compareMirrored(t, s.content, mirror, []mirrored{{"ocp/team/app", "v1", s.roots["team/app:v1"]}, {"ocp/team/list", "v2", s.roots["team/list:v1"]}})
}

// TestPlatformGap continues without an image that lacks the platform.
func TestPlatformGap(t *testing.T) {
	t.Parallel()
	s := newPlatformSet(t, 503, 10<<10)
	w := newWorld(t)
	w.imageset(platformsText + "  - {name: 'quay.io/team/whole:v1', targetRepo: x/y, platforms: [{os: windows, architecture: amd64}]}\n")
	conf := s.conf(t, s.serve(t))
	const why = "it has no image for windows/amd64; it has linux/amd64, linux/arm64, linux/ppc64le, linux/s390x"
	w.run(w.pack("--registries-conf", conf)...).want(exitUsage).says(why, "hint: "+(&oci.PlatformError{}).Hint(), "or finish without such images, which are then listed (--keep-going)")
	list := w.gaps(w.run(w.pack("--registries-conf", conf, "--keep-going")...))
	if len(list.Images) != 1 || list.Images[0].Image.Path != "x/y" || !strings.HasSuffix(list.Images[0].Reason(), why) {
		t.Errorf("gaps %+v", list.Images)
	}
	if n := len(w.inspected().Images); n != 3+2+2+5 {
		t.Errorf("%d images are carried", n)
	}
}

// TestKillPlatforms kills pack and unpack of sparse indexes, and resumes.
func TestKillPlatforms(t *testing.T) {
	s := newPlatformSet(t, 504, 1<<20)
	source := registrytest.StartProxy(t, s.serve(t))
	mirror := registrytest.StartSparse(t)
	to := registrytest.StartProxy(t, mirror.Host)
	reads, writes := &tap{kind: "GET blob", rate: 32 << 20}, &tap{kind: "PUT upload", rate: 32 << 20}
	reads.through(source)
	writes.through(to)
	w := newWorld(t)
	w.imageset(platformsText)
	pack := w.pack("--registries-conf", s.conf(t, source.Host), "--segment-size", "1MiB")
	kills := 0
	for mark := int64(500 << 10); mark < 6<<20; mark += 900 << 10 {
		if _, ended := w.killed(reads, mark, 0, 0, pack...); ended {
			break
		}
		kills++
	}
	w.run(pack...).want(exitOK)
	for _, requests := range []int{20, 60, 100} {
		if _, ended := w.killed(writes, 0, requests, 0, w.unpack(to.Host+"/ocp")...); !ended {
			kills++
		}
	}
	if kills < 4 {
		t.Errorf("%d kills", kills)
	}
	w.run(w.unpack(to.Host + "/ocp")...).want(exitOK)
	inv, there := w.opened(t, s.out)
	if len(there) > 0 {
		t.Errorf("%d that are left out are in the bundle", len(there))
	}
	s.checkSparse(t, mirror.Host, "ocp", inv, s.out)
}
