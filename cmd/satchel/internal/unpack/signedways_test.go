package unpack_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestNoPolicy: a release whose nodes demand nothing is carried without a word about it, signed or
// not: a policy for technology previews is none.
func TestNoPolicy(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 63)
	preview := strings.Replace(string(v.policy), "  annotations:\n", "  annotations:\n    release.openshift.io/feature-set: TechPreviewNoUpgrade,DevPreviewNoUpgrade,CustomNoUpgrade\n", 1)
	v.release("4.20.9", []byte(preview), "cli", "etcd", "both", "payload")
	r, gaps := v.pack("drive")
	f := v.far()
	if err := unpack.Run(t.Context(), r, jobtest.Client(), f.Options); err != nil || len(gaps) > 0 {
		t.Fatalf("%v, gaps %v", err, gaps)
	}
	err := filepath.WalkDir(f.dir, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := os.ReadFile(name)
		for _, word := range []string{"ImagePolicy", "igstore", ".sig`"} {
			if strings.Contains(string(body), word) {
				t.Errorf("%s has a word of it: %s", name, word)
			}
		}
		return err
	})
	if err != nil || strings.Contains(v.Log.String(), "demand") && strings.Contains(v.Log.String(), "level=WARN msg=\"not signed") {
		t.Errorf("%v\n%s", err, v.Log.String())
	}
}

// TestSignedFromPods: a release that pods show is judged like one of the configuration, and so is
// the mirror when it has lost a signature, or was given none.
func TestSignedFromPods(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 64)
	v.release("4.22.1", v.policy, "cli")
	ref := strings.TrimSpace(strings.TrimPrefix(v.config, "  platform:\n    release: "))
	v.config = "  additionalImages: []\n"
	v.running = ref
	r, gaps := v.pack("drive")
	if len(gaps) != 1 || !strings.Contains(gaps[0].Error(), "4.22.1 x86_64: cli") {
		t.Fatalf("gaps: %v", gaps)
	}
	f := v.far()
	var unsigned *unpack.UnsignedError
	if err := unpack.Run(t.Context(), r, jobtest.Client(), f.Options); !errors.As(err, &unsigned) || len(unsigned.Images) != 1 {
		t.Fatalf("unpack: %v", err)
	}

	bare := v.far()
	bare.Attachments = unpack.AttachmentsNone
	bare.Out = nil
	if err := unpack.Run(t.Context(), r, jobtest.Client(), bare.Options); !errors.As(err, &unsigned) || len(unsigned.Images) != 5 || unsigned.Wrote {
		t.Errorf("a mirror without signatures: %v", err)
	}
	var err error
	if bare.Out, err = outdir.Open(bare.dir); err != nil {
		t.Fatal(err)
	}
	bare.Unasked = true // by the bundle, with the signatures that it would push
	bare.Attachments = unpack.AttachmentsUsual
	if err := unpack.Render(t.Context(), r, jobtest.Client(), bare.Options); !errors.As(err, &unsigned) || len(unsigned.Images) != 1 {
		t.Errorf("render without asking: %v", err)
	}
	images := []oci.Image{}
	for _, u := range unsigned.Images {
		images = append(images, u.Image)
	}
	if i := slices.IndexFunc(images, func(img oci.Image) bool { return img.Path == "openshift/release" }); i < 0 || !errors.Is(unsigned.Images[0].Err, manifests.ErrUnsigned) {
		t.Errorf("%+v", unsigned.Images)
	}
}

// TestSignedAtEachAddress: nodes that pull from several addresses need the signatures at each one
// that has the images.
func TestSignedAtEachAddress(t *testing.T) {
	t.Parallel()
	v := newVendor(t, 65)
	v.release("4.22.1", v.policy)
	r, _ := v.pack("drive")
	f, bare, empty := v.far(), v.far(), v.far()
	bare.Attachments, bare.Out = unpack.AttachmentsNone, nil
	var unsigned *unpack.UnsignedError
	if err := unpack.Run(t.Context(), r, jobtest.Client(), bare.Options); !errors.As(err, &unsigned) {
		t.Fatal(err)
	}
	from := func(others ...oci.Mirror) (string, error) {
		t.Helper()
		o := f.Options
		o.AsNodes = func(credentials []byte) *transport.Client {
			return transport.NewClient(transport.Config{Credentials: credentials, RetryDelay: 1})
		}
		o.Site.PullFrom = append([]oci.Mirror{f.Site.Mirror}, others...)
		var err error
		if o.Out, err = outdir.Open(f.dir); err != nil {
			t.Fatal(err)
		}
		err = unpack.Run(t.Context(), r, jobtest.Client(), o)
		return f.read(t, "APPLY.md"), err
	}
	noCredential := f.Options
	noCredential.AsNodes = func([]byte) *transport.Client { t.Fatal("asked without a credential"); return nil }
	noCredential.Site.Credential = &manifests.Credential{Username: "push", Password: "a-secret"}
	noCredential.Site.PullFrom = []oci.Mirror{{Host: "lb.example", Namespace: "in"}}
	if err := unpack.Run(t.Context(), r, jobtest.Client(), noCredential); err != nil {
		t.Error(err)
	}
	if page := f.read(t, "APPLY.md"); !strings.Contains(page, "images at lb.example/in: no credential for nodes was given") || !strings.Contains(v.Log.String(), "nodes pull from lb.example/in, where nothing was looked at") {
		t.Errorf("no credential for nodes: %s\n%s", page, v.Log.String())
	}
	if page, err := from(empty.Site.Mirror, oci.Mirror{Host: "127.0.0.1:1", Namespace: "in"}); err != nil || strings.Contains(page, "**Stop.**") || !strings.Contains(v.Log.String(), "127.0.0.1:1/in, which nodes pull from too, are not checked") {
		t.Errorf("one without images, and one that does not answer: %v\n%s", err, v.Log.String())
	}
	page, err := from(bare.Site.Mirror)
	if !errors.As(err, &unsigned) || len(unsigned.Images) != 5 || unsigned.Images[0].At != bare.Site.Mirror.String() || !strings.Contains(err.Error(), "missing in "+bare.Site.Mirror.String()) {
		t.Errorf("one without signatures: %v", err)
	}
	if !strings.Contains(page, "**Stop.**") || !strings.Contains(page, "there is none at "+bare.Site.Mirror.String()+" (tag") {
		t.Errorf("the page does not say where signatures are missing:\n%s", page)
	}
}
