package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// addOperator publishes a catalog with one operator and what that needs, and gives
// its related image.
func (s *releaseSet) addOperator(t *testing.T) (related oci.Descriptor) {
	t.Helper()
	reg := s.source.Host
	bundle, related := s.c.Image(false, s.c.Layer(3000, ocitest.LayerGzip)), s.c.Image(false, s.c.Layer(4000, ocitest.LayerGzip))
	at := func(repo string, d oci.Descriptor) string {
		push(t, s.c, d, reg, repo, "v1")
		s.want[repo+":satchel-"+d.Digest.Encoded()] = d
		return reg + "/" + repo + "@" + d.Digest.String()
	}
	body := fmt.Sprintf(`{"schema":"olm.package","name":"acme","defaultChannel":"stable"}
{"schema":"olm.channel","package":"acme","name":"stable","entries":[{"name":"acme.v1.2.3"}]}
{"schema":"olm.bundle","package":"acme","name":"acme.v1.2.3","image":%q,"properties":[{"type":"olm.package","value":{"packageName":"acme","version":"1.2.3"}}],"relatedImages":[{"name":"operand","image":%q}]}
`, at("acme/bundle", bundle), at("acme/operand", related))
	catalog, err := s.c.Catalog("amd64", map[string][]byte{"acme/catalog.json": []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	push(t, s.c, catalog, reg, "acme/catalog", "v1")
	s.want["acme/catalog:v1"] = catalog
	return related
}

// TestIncomplete finishes without a component of a release and a related image of
// an operator, names both, and brings just these later.
func TestIncomplete(t *testing.T) {
	t.Parallel()
	s, mirror := newReleaseSet(t), newMirror(t)
	operand, etcd := s.addOperator(t), s.want["openshift/release:4.12.0-x86_64-etcd"]
	var fixed atomic.Bool
	s.source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if fixed.Load() || !strings.HasSuffix(r.URL.Path, etcd.Digest.String()) && !strings.HasSuffix(r.URL.Path, operand.Digest.String()) {
			return false
		}
		http.NotFound(w, r)
		return true
	}
	w, host := newWorld(t), s.source.Host
	config := fmt.Sprintf("kind: ImageSetConfiguration\napiVersion: mirror.openshift.io/v2alpha1\nmirror:\n  platform:\n    release: %[1]s/ocp/rel:v\n"+
		"  operators:\n  - catalog: %[1]s/acme/catalog:v1\n  additionalImages:\n  - name: %[1]s/team/app:v1\n", host)
	if err := os.WriteFile(w.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	lost := map[string]string{"release 4.12.0 x86_64": host + "/ocp/art@" + etcd.Digest.String(), "operator acme 1.2.3": host + "/acme/operand@" + operand.Digest.String()}
	check := func(list []manifests.Incomplete) {
		t.Helper()
		if len(list) != len(lost) {
			t.Errorf("incomplete: %+v", list)
		}
		for _, inc := range list {
			if len(inc.Missing) != 1 || inc.Missing[0].String() != lost[inc.Kind+" "+inc.Name] {
				t.Errorf("incomplete: %+v", inc)
			}
		}
	}
	plan, _ := w.plan(exitGaps, "--keep-going")
	check(plan.Incomplete)
	first := w.run(w.pack("--keep-going", "--gaps", "gaps.json")...)
	check(w.gaps(first).Incomplete)
	for name, ref := range lost {
		first.says("satchel: warning: " + name + " is incomplete: it lacks 1 image, " + ref)
	}
	check(w.inspected().Incomplete)
	w.run("inspect", "-i", w.key, w.drive).want(exitOK).printed(t, "\nrelease 4.12.0 x86_64 is incomplete: it lacks 1 image, ")
	w.run(w.unpack(mirror)...).want(exitOK)

	fixed.Store(true)
	w.drive += "-later"
	w.run(w.pack("--only", "gaps.json")...).want(exitOK)
	var seal struct{ Partial bool }
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(w.drive, "bundle.json"))), &seal); err != nil || !seal.Partial {
		t.Errorf("the bundle of --only does not say that it is of a part: %v", err)
	}
	var got []string
	for _, img := range w.inspected().Images {
		got = append(got, img.Source.String())
	}
	if want := []string{lost["operator acme 1.2.3"], lost["release 4.12.0 x86_64"]}; !slices.Equal(got, want) {
		t.Errorf("the second bundle has %q, want %q", got, want)
	}
	w.run(w.unpack(mirror)...).want(exitOK)
	delete(s.want, "acme/catalog:v1") // which is not the image that was made here
	compareAll(t, s.c, s.want, mirror)
}

// printed wants text on stdout.
func (r result) printed(t testing.TB, text string) {
	t.Helper()
	if !strings.Contains(r.stdout, text) {
		t.Errorf("stdout has no %q:\n%s", text, r.stdout)
	}
}

// signedSource serves a set from behind a proxy that answers as it is set to where signatures
// of the root are asked for: 0 for what the registry has.
func signedSource(t *testing.T, s *signedSet) (ref string, status *atomic.Int32) {
	t.Helper()
	reg := registrytest.Start(t)
	into(t, s.c, oci.Mirror{Host: reg.Host}, s.images...)
	source, status := registrytest.StartProxy(t, reg.Host), new(atomic.Int32)
	source.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if status.Load() == 0 || !strings.Contains(r.URL.Path, "/manifests/sha256-"+s.root.Digest.Encoded()) {
			return false
		}
		w.WriteHeader(int(status.Load()))
		return true
	}
	return source.Host + "/" + signedRepo, status
}

// TestUnlisted has a registry refuse to say what is attached to an image: it is carried
// without, and is other content once the registry answers.
func TestUnlisted(t *testing.T) {
	t.Parallel()
	s := newSigned(t, 76)
	repo, status := signedSource(t, s)
	w := newWorld(t)
	w.images(repo + ":v1")
	status.Store(http.StatusForbidden)
	w.run(w.pack()...).want(exitOK).says(repo+" gives its images, and refuses to say whether anything is attached to them", "403")
	i := slices.IndexFunc(w.inspected().Images, func(i report.Image) bool { return i.Source.String() == repo+":v1" })
	if img := w.inspected().Images[max(i, 0)]; i < 0 || img.Attached != 4 || !slices.Contains(img.Unknown, "sig") {
		t.Errorf("the image is not carried as it is known: %+v", img)
	}
	w.run(w.pack()...).want(exitOK).says("nothing has changed since")
	status.Store(0)
	w.run(w.pack()...).want(exitUsage).says("sha256-" + s.root.Digest.Encoded() + ".sig")
	w.drive += "-later"
	w.run(w.pack()...).want(exitOK)
	mirror := registrytest.StartOlareg(t)
	w.run(w.unpack(mirror.Host)...).want(exitOK)
	s.compare(t, mirror.Host, signedRepo, true)
}

// TestUnlistedGap has a registry refuse to say what is attached to an image, of which an
// earlier bundle had the signature: a gap, which --only fills.
func TestUnlistedGap(t *testing.T) {
	t.Parallel()
	for name, byDigest := range map[string]bool{"by tag": false, "by digest": true} {
		t.Run(name, func(t *testing.T) {
			s := newSigned(t, 76)
			repo, status := signedSource(t, s)
			w := newWorld(t)
			ref := repo + ":v1"
			if byDigest {
				ref = repo + "@" + s.root.Digest.String()
			}
			w.images(ref)
			w.run(w.pack()...).want(exitOK)
			status.Store(http.StatusForbidden)
			w.drive += "-2"
			w.run(w.pack()...).want(exitRegistry).says("signatures of "+ref, "403")
			list := w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json")...).says("satchel: warning: gap: ", "signatures of "+ref))
			if len(list.Images) != 1 || list.Images[0].Image.Subject != s.root.Digest || len(list.Incomplete) != 0 || !slices.Equal(oci.Words(list.Images[0].Image.Reasons), []string{"signatures of " + ref}) {
				t.Errorf("gaps %+v", list)
			}
			mirror := registrytest.StartOlareg(t)
			w.run(w.unpack(mirror.Host)...).want(exitOK).says("not in this bundle: the signatures of " + repo + "@" + s.root.Digest.String())

			w.drive += "-later"
			w.run(w.pack("--only", "gaps.json")...).want(exitRegistry).says("signatures of "+repo+"@", "403")
			status.Store(0)
			w.run(w.pack("--only", "gaps.json")...).want(exitOK)
			for _, img := range w.inspected().Images {
				if img.Digest == s.root.Digest || img.Subject == "" {
					t.Errorf("%s is carried again", img.Source)
				}
			}
			w.run(w.unpack(mirror.Host)...).want(exitOK)
			if byDigest { // what s.compare looks for has the tag
				push(t, s.c, s.root, mirror.Host, signedRepo, "v1")
			}
			s.compare(t, mirror.Host, signedRepo, true)
		})
	}
}

// TestUnlistedIsNothing brings the signatures of an image that turns out to have none any more.
func TestUnlistedIsNothing(t *testing.T) {
	t.Parallel()
	s := newSigned(t, 76)
	s.images = slices.DeleteFunc(s.images, func(i oci.Image) bool { return len(i.MirrorTags()) == 0 && i.Subject == s.root.Digest })
	repo, status := signedSource(t, s)
	w := newWorld(t)
	w.images(repo + ":v1")
	w.run(w.pack()...).want(exitOK)
	status.Store(http.StatusForbidden)
	w.drive += "-2"
	w.gaps(w.run(w.pack("--keep-going", "--gaps", "gaps.json")...))
	status.Store(http.StatusNotFound)
	w.drive += "-later"
	w.run(w.pack("--only", "gaps.json")...).want(exitUsage).says("lists signatures alone, and the registry has none of them")
}
