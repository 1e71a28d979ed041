package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// carried is an image of the set, and where it is in the mirror.
type carried struct {
	name, source, repo, tag string // repo and tag below the mirror's namespace
	root                    oci.Descriptor
}

// everyKind pushes one of each kind under several repositories: one named by
// digest alone, one by tag and digest, one under two repositories.
func everyKind(t *testing.T, c *ocitest.Content, host string) []carried {
	t.Helper()
	var list []carried
	add := func(name, repo, tag string, root oci.Descriptor) *carried {
		list = append(list, carried{name, push(t, c, root, host, repo, tag), repo, tag, root})
		return &list[len(list)-1]
	}
	kinds := c.Kinds()
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		root := kinds[name]
		switch name {
		case "oci":
			i := add(name, "by-digest/oci", "v1", root)
			i.source, i.tag = host+"/by-digest/oci@"+root.Digest.String(), "satchel-"+root.Digest.Encoded()
		case "index":
			i := add(name, "deep/er/still/index", "v2", root)
			i.source += "@" + root.Digest.String()
		case "nested":
			add(name, "made/nested", "v1", root)
			add(name, "other/nested", "v1.2", root)
		default:
			add(name, "made/"+name, "v1", root)
		}
	}
	return list
}

func sources(list []carried) (refs []string) {
	for _, i := range list {
		refs = append(refs, i.source)
	}
	return refs
}

// TestRoundTrip carries every kind of image from Debian's docker-registry to another.
func TestRoundTrip(t *testing.T) {
	source, mirror := registrytest.Start(t), registrytest.Start(t)
	proxy := registrytest.StartProxy(t, mirror.Host)
	c := ocitest.New(31)
	set := everyKind(t, c, source.Host)
	w := newWorld(t)
	w.images(sources(set)...)

	packed := w.run(w.pack()...).want(exitOK)
	fingerprint := strings.TrimSpace(packed.stdout)
	w.run("verify", "--expect", fingerprint, w.drive).want(exitOK)
	checkInspect(t, w, c, set, fingerprint)

	before := listing(t, w.drive)
	readOnly(t, w.drive)
	w.run(w.unpack(proxy.Host+"/air/gap", "--expect", fingerprint)...).want(exitOK)
	for _, i := range set {
		if err := ocitest.Compare(t.Context(), c, i.root, "http://"+mirror.Host, "air/gap/"+i.repo, i.tag); err != nil {
			t.Error(err)
		}
	}
	if got := proxy.Counts(); got["PUT upload"]+got["PATCH upload"] == 0 || got["POST mount"] == 0 {
		t.Errorf("blobs shared by repositories are to be uploaded once and mounted: %v", got)
	}
	proxy.Reset()
	again := w.run(w.unpack(proxy.Host + "/air/gap")...).want(exitOK).says("nothing to do")
	for kind, n := range proxy.Counts() {
		if !strings.HasPrefix(kind, "HEAD ") && !strings.HasPrefix(kind, "GET ") {
			t.Errorf("the second unpack sent %d %s: it is to look, and to push nothing", n, kind)
		}
	}
	if again.took > 5*time.Second {
		t.Errorf("the second unpack took %v", again.took)
	}
	w.run("verify", w.drive).want(exitOK)
	if after := listing(t, w.drive); !slices.Equal(before, after) {
		t.Errorf("reading changed the drive:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	t.Run("clients", func(t *testing.T) { checkClients(t, set, mirror.Host+"/air/gap") })
}

// TestPackAgain packs a finished bundle once more.
func TestPackAgain(t *testing.T) {
	t.Parallel()
	c := ocitest.New(32)
	s := newShelf(c)
	host := s.listen(t)
	s.tag("a/b:v1", c.Image(false, c.Layer(1<<20, ocitest.LayerGzip)))
	w := newWorld(t)
	w.images(host + "/a/b:v1")
	first := w.run(w.pack()...).want(exitOK)
	before := listing(t, w.drive)
	asked := len(s.asked())
	second := w.run(w.pack()...).want(exitOK).says("packed on ", "nothing has changed since")
	if first.stdout != second.stdout || len(strings.TrimSpace(first.stdout)) != 64 {
		t.Errorf("fingerprints %q and %q", first.stdout, second.stdout)
	}
	if n := len(s.asked()) - asked; n != 0 {
		t.Errorf("the second pack fetched %d blobs", n)
	}
	// The probe file that tries the drive leaves its mark on the directory's time alone.
	if after := listing(t, w.drive); !slices.Equal(before[1:], after[1:]) {
		t.Errorf("the second pack changed the drive:\n%s\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
	quiet := w.run(w.pack("-q")...).want(exitOK)
	if quiet.stderr != "" || quiet.stdout != first.stdout {
		t.Errorf("quiet, it prints %q and %q", quiet.stderr, quiet.stdout)
	}
}

// checkInspect compares what inspect reports with the set.
func checkInspect(t *testing.T, w *world, c *ocitest.Content, set []carried, fingerprint string) {
	t.Helper()
	var got inspect.Report
	if err := json.Unmarshal([]byte(w.run("inspect", "-i", w.key, "-o", "json", w.drive).want(exitOK).stdout), &got); err != nil {
		t.Fatal(err)
	}
	if string(got.Fingerprint) != fingerprint || got.Blobs != len(c.All()) || got.BlobBytes != c.Size() || got.Segments == 0 || got.Bytes < c.Size()*9/10 {
		t.Errorf("inspect counts %d blobs of %d bytes in %d segments of %d, the set has %d of %d", got.Blobs, got.BlobBytes, got.Segments, got.Bytes, len(c.All()), c.Size())
	}
	var want []string
	for _, i := range set {
		size := int64(0)
		seen := map[string]bool{}
		if err := oci.Walk(t.Context(), c, i.root, func(d oci.Descriptor, _ []byte) error {
			if !seen[d.Digest.String()] {
				size += d.Size
			}
			seen[d.Digest.String()] = true
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		platforms, err := oci.Platforms(context.Background(), c, i.root)
		if err != nil {
			t.Fatal(err)
		}
		tags := []string{i.tag}
		if strings.HasPrefix(i.tag, "satchel-") {
			tags = nil
		}
		want = append(want, fmt.Sprint("additional ", i.source, i.root.Digest, i.root.MediaType, platforms, tags, size))
	}
	var have []string
	for _, i := range got.Images {
		have = append(have, fmt.Sprint(i.Origin, " ", i.Source, i.Digest, i.MediaType, i.Platforms, i.Tags, i.Bytes))
	}
	slices.Sort(want)
	slices.Sort(have)
	if !slices.Equal(want, have) {
		t.Errorf("inspect lists\n%s\nwant\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
	table := w.run("inspect", "-i", w.key, w.drive).want(exitOK).stdout
	for _, i := range set {
		if !strings.Contains(table, i.source) || !strings.Contains(table, i.root.Digest.String()) {
			t.Errorf("the table has no line for %s:\n%s", i.source, table)
		}
	}
}

// checkClients pulls what runs by podman and looks at the rest by skopeo.
func checkClients(t *testing.T, set []carried, mirror string) {
	for _, bin := range []string{"podman", "skopeo"} {
		if _, err := exec.LookPath(bin); err != nil {
			t.Skip(bin + " is not installed")
		}
	}
	dir, err := os.MkdirTemp("", "podman") // podman takes no runroot of more than 50 characters
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	var runs []string
	for _, i := range set {
		ref := mirror + "/" + i.repo + ":" + i.tag
		if i.name == "nested" || i.name == "artifact" {
			raw, err := proctest.Command(t, "skopeo", "inspect", "--raw", "--tls-verify=false", "docker://"+ref).Output()
			if err != nil || oci.Digest(raw) != i.root.Digest {
				t.Errorf("skopeo inspect %s: digest %s, want %s; %v", ref, oci.Digest(raw), i.root.Digest, err)
			}
			continue
		}
		runs = append(runs, ref)
	}
	out, err := proctest.Command(t, "podman", append([]string{"--root", filepath.Join(dir, "root"), "--runroot", filepath.Join(dir, "run"),
		"--storage-driver", "vfs", "pull", "-q", "--tls-verify=false"}, runs...)...).CombinedOutput()
	if err != nil {
		t.Errorf("podman pull %q: %v\n%s", runs, err, out)
	}
}

// listing describes everything below dir, times of change included.
func listing(t testing.TB, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			list = append(list, fmt.Sprint(strings.TrimPrefix(path, dir), " ", info.Mode(), " ", info.Size(), " ", info.ModTime().UnixNano()))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// readOnly makes a directory one that nobody can write to: root by a read-only
// bind mount, others by permissions.
func readOnly(t *testing.T, dir string) {
	t.Helper()
	if os.Getuid() != 0 {
		before, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chmod(dir, before.Mode().Perm()) })
		return
	}
	mount(t, "--bind", dir, dir)
	mount(t, "-o", "remount,bind,ro", dir)
	if err := os.WriteFile(filepath.Join(dir, "x"), nil, 0o600); err == nil {
		t.Fatal("the read-only mount can be written to")
	}
}

// mount mounts until the test ends; the last argument is the directory. Where
// that is not permitted the test is skipped.
func mount(t testing.TB, args ...string) {
	t.Helper()
	if out, err := proctest.Command(t, "mount", args...).CombinedOutput(); err != nil {
		t.Skipf("mounting is not permitted here: mount %s: %v %s", strings.Join(args, " "), err, out)
	}
	if strings.HasPrefix(args[1], "remount") {
		return
	}
	t.Cleanup(func() {
		if out, err := proctest.Command(t, "umount", args[len(args)-1]).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
}
