package unpack_test

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// doubts is what is noted of the only registry.
func doubts(t *testing.T, state string) string {
	t.Helper()
	dirs, err := os.ReadDir(filepath.Join(state, "mirrors"))
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for _, d := range dirs {
		body, err := os.ReadFile(filepath.Join(state, "mirrors", d.Name(), "doubts"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		all += string(body)
	}
	return all
}

// layerOf is the largest blob of a bundle.
func layerOf(t *testing.T, r *bundle.Reader) (layer oci.Descriptor) {
	t.Helper()
	for _, img := range r.Inventory().Images {
		err := oci.WalkImage(t.Context(), r, img, func(d oci.Descriptor, body []byte) error {
			if body == nil && d.Size > layer.Size {
				layer = d
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return layer
}

// flip has docker-registry keep other bytes of a blob, as many.
func flip(t *testing.T, file string) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	body[len(body)/2] ^= 1
	if err := os.WriteFile(file, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestWrongBytesAreKnown has docker-registry keep wrong bytes that a full look has found, and
// that no push mends: later runs of whatever kind read them again until they are right. The
// state directory's name has what is special in patterns.
func TestWrongBytesAreKnown(t *testing.T) {
	t.Parallel()
	s, mirror := newSite(t, 35), registrytest.Start(t)
	o := s.options(t, "")
	o.State, o.Site.Mirror.Host = filepath.Join(t.TempDir(), "a[b?*"), mirror.Host
	run := func(r *bundle.Reader, verify transport.Verify, dry bool) error {
		now := o
		now.Verify, now.DryRun = verify, dry
		return unpack.Run(t.Context(), r, jobtest.Client(), now)
	}
	if err := run(s.reader, transport.VerifySizes, false); err != nil {
		t.Fatal(err)
	}
	done, err := pack.Run(t.Context(), s.Pack(s.Prepare(jobtest.Images(s.Push(s.roots["team/app"], "team/other", "v2"))), "drive2"))
	if err != nil {
		t.Fatal(err)
	}
	other := s.Open(done.Dir)
	layer := layerOf(t, other)
	file := registrytest.BlobFile(mirror.Dir, layer.Digest)
	flip(t, file)
	var found *transport.BlobError
	if err := run(s.reader, transport.VerifyFull, true); !errors.As(err, &found) || found.Blob.Digest != layer.Digest || doubts(t, o.State) != "" || strings.Contains(s.Log.String(), "accepts everything") {
		t.Errorf("a dry run of a full look: %v\n%s\n%s", err, doubts(t, o.State), s.Log.String())
	}
	for _, try := range []struct {
		what string
		run  func() error
	}{
		{"full", func() error { return run(s.reader, transport.VerifyFull, false) }},
		{"sizes", func() error { return run(s.reader, transport.VerifySizes, false) }},
		{"none", func() error { return run(s.reader, transport.VerifyManifests, false) }},
		{"another bundle", func() error { return run(other, transport.VerifySizes, false) }},
		{"render", func() error { return unpack.Render(t.Context(), s.reader, jobtest.Client(), o) }},
		{"without the drive", func() error { return unpack.WithoutDrive(t.Context(), s.reader.ID(), jobtest.Client(), o) }},
	} {
		var wrong *transport.BlobError
		if err := try.run(); !errors.As(err, &wrong) || wrong.Blob.Digest != layer.Digest {
			t.Errorf("%s: %v", try.what, err)
		}
		if noted := doubts(t, o.State); !strings.Contains(noted, "wrong "+layer.Digest.String()+" in/team/app\n") {
			t.Errorf("%s: noted: %q", try.what, noted)
		}
	}
	before, told := doubts(t, o.State), len(s.Log.String())
	if err := run(s.reader, transport.VerifySizes, true); err != nil || doubts(t, o.State) != before || !strings.Contains(s.Log.String()[told:], "the mirror accepts everything: 1 blob to push") {
		t.Errorf("a dry run: %v\n%s\n%s", err, doubts(t, o.State), s.Log.String())
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*bundle.Reader{s.reader, other} {
		if err := run(r, transport.VerifySizes, false); err != nil {
			t.Error(err)
		}
	}
	if noted := doubts(t, o.State); noted != "" {
		t.Errorf("at the end: %q", noted)
	}
	if err := unpack.WithoutDrive(t.Context(), s.reader.ID(), jobtest.Client(), o); err != nil {
		t.Error(err)
	}
}

// TestInterruptedFullLook: what it has found wrong so far is known to the next run, and so
// is that it has begun to push.
func TestInterruptedFullLook(t *testing.T) {
	t.Parallel()
	s := newSite(t, 36)
	o := s.options(t, "")
	o.State, o.Parallel, o.Out = t.TempDir(), 1, nil
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	layer := layerOf(t, s.reader).Digest.String()
	full := o
	full.Verify = transport.VerifyFull
	s.mirror.Alter = func(resp *http.Response) error {
		if registrytest.Kind(resp.Request) == "GET blob" && strings.HasSuffix(resp.Request.URL.Path, layer) && resp.Request.Header.Get("Range") == "" {
			resp.Body = flipped{resp.Body}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "POST upload" {
			cancel()
		}
		return ctx.Err() != nil
	}
	if err := unpack.Run(ctx, s.reader, jobtest.Client(), full); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	noted := doubts(t, o.State)
	if !strings.Contains(noted, "wrong "+layer) || !strings.Contains(noted, "unproven "+layer) {
		t.Errorf("noted: %q", noted)
	}
	s.mirror.Answer, s.mirror.Alter = nil, nil
	s.mirror.Reset()
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil || doubts(t, o.State) != "" {
		t.Errorf("%v, %q", err, doubts(t, o.State))
	}
	if !strings.Contains(s.Log.String(), "nothing to do") || s.mirror.Count("POST upload") > 0 {
		t.Errorf("what is right was pushed: %v", s.mirror.Counts())
	}
}

// TestInterruptedOfAnotherBundle: an unpack that never ends makes --verify none look at what
// it has in common with other bundles, once, and at nothing else.
func TestInterruptedOfAnotherBundle(t *testing.T) {
	t.Parallel()
	s := newSite(t, 37)
	c := s.Content
	readers := map[string]*bundle.Reader{}
	for name, root := range map[string]oci.Descriptor{"shares": s.roots["team/app"], "apart": c.Image(true, c.Layer(100<<10, ocitest.LayerGzip))} {
		done, err := pack.Run(t.Context(), s.Pack(s.Prepare(jobtest.Images(s.Push(root, "team/app", name))), name))
		if err != nil {
			t.Fatal(err)
		}
		readers[name] = s.Open(done.Dir)
	}
	o := s.options(t, "")
	o.State, o.Out = t.TempDir(), nil
	for _, r := range readers {
		if err := unpack.Run(t.Context(), r, jobtest.Client(), o); err != nil {
			t.Fatal(err)
		}
	}
	s.mirror.Answer = func(w http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) != "PUT manifest" || !strings.HasSuffix(r.URL.Path, "/v1") {
			return false
		}
		w.WriteHeader(http.StatusForbidden)
		return true
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err == nil {
		t.Fatal("it ended")
	}
	s.mirror.Answer = nil
	o.Verify = transport.VerifyManifests
	for _, try := range []struct {
		name  string
		looks bool
	}{{"apart", false}, {"shares", true}, {"shares", false}} {
		s.mirror.Reset()
		if err := unpack.Run(t.Context(), readers[try.name], jobtest.Client(), o); err != nil {
			t.Error(err)
		}
		if n := s.mirror.Count("GET blob"); n > 0 != try.looks {
			t.Errorf("%s: asked for %d blobs", try.name, n)
		}
	}
	if noted := doubts(t, o.State); !strings.Contains(noted, " in/team/list\n") || strings.Contains(noted, layerOf(t, readers["shares"]).Digest.String()) {
		t.Errorf("noted: %q", noted)
	}
}

// TestStateCannotBeWritten is one line, once, whatever is to be noted.
func TestStateCannotBeWritten(t *testing.T) {
	t.Parallel()
	s := newSite(t, 38)
	o := s.options(t, "")
	o.State, o.Verify = filepath.Join(t.TempDir(), "file"), transport.VerifyFull
	if err := os.WriteFile(o.State, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	packed := len(s.Log.String())
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	told := s.Log.String()[packed:]
	if n := strings.Count(told, "level=WARN"); n != 1 || !strings.Contains(told, "cannot be recorded on this host") {
		t.Errorf("%d warnings:\n%s", n, told)
	}
}

// TestTwoRunsEndAtOnce: what one run has taken out of the notes is not missed by another.
func TestTwoRunsEndAtOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t, 42)
	o := s.options(t, "")
	o.State = t.TempDir()
	var begun atomic.Bool
	s.mirror.Answer = func(_ http.ResponseWriter, r *http.Request) bool {
		if registrytest.Kind(r) == "PUT manifest" && strings.HasSuffix(r.URL.Path, "/manifests/v1") && begun.CompareAndSwap(false, true) {
			if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
				t.Error(err)
			}
		}
		return false
	}
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
		t.Fatal(err)
	}
	if log := s.Log.String(); strings.Contains(log, "cannot be recorded") || doubts(t, o.State) != "" {
		t.Errorf("noted: %q, told:\n%s", doubts(t, o.State), log)
	}
}
