package unpack_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
	"github.com/satchel-airgap/satchel/transport/quirktest"
)

// vendorClient speaks to one vendor's registry as the command does, without waiting.
func vendorClient(t *testing.T, s *quirktest.Server, push bool) *transport.Client {
	t.Helper()
	return transport.NewClient(transport.Config{Authfile: s.Authfile(t), TLSVerify: true, CAFile: s.CA, Push: push, RetryTimes: 3, RetryDelay: time.Millisecond})
}

// vendorImages puts images into a vendor's registry and lists them, with what they are
// called below the project. Two share a layer; one has a cosign signature.
func vendorImages(t *testing.T, c *ocitest.Content, s *quirktest.Server) (refs []string, roots map[string]oci.Descriptor) {
	t.Helper()
	shared := c.Layer(200<<10, ocitest.LayerGzip)
	app := c.Image(false, c.Layer(300<<10, ocitest.LayerGzip), shared)
	roots = map[string]oci.Descriptor{
		"app": app, "list": c.Index(true, c.Image(true, shared), c.ImageFor("arm64", true, shared)),
	}
	for name, root := range roots {
		s.Put(t, c, root, s.Project+"/"+name, "v1")
		refs = append(refs, s.Host+"/"+s.Project+"/"+name+":v1")
	}
	s.Put(t, c, c.Image(false, c.Layer(1000, "application/vnd.dev.cosign.simplesigning.v1+json")), s.Project+"/app", "sha256-"+app.Digest.Encoded()+".sig")
	return refs, roots
}

// vendorQuirks are the quirks that a pack and two unpacks must meet, by vendor.
var vendorQuirks = map[string][]string{
	"artifactory": {"login", "no mounts", "no referrers API", "the first PUT upload is refused"},
	"ecr":         {"GET blob is redirected to storage", "login", "no mounts", "no referrers API", "nothing is deleted", "the first POST upload is refused"},
	"ecr-public":  {"GET blob is redirected to storage", "HEAD of a blob", "login"},
	"gitlab":      {"HEAD blob is redirected to storage", "HEAD to storage", "a token has ended", "login", "no mounts across projects"},
	"docker-hub":  {"login"},
	"harbor":      {"login"},
	"nexus":       {"login", "no digest in the answer", "no mounts", "no referrers API"},
	"quay":        {"GET blob is redirected to storage", "login", "not yet tagged", "the first GET manifest is refused"},
}

// TestVendors packs from the registry of each vendor, and unpacks into it, twice: what is
// there is not pushed again, whatever the registry makes of that.
func TestVendors(t *testing.T) {
	t.Parallel()
	for name, quirks := range vendorQuirks {
		t.Run(name, func(t *testing.T) {
			b, s := jobtest.New(t, 31), quirktest.Start(t, name)
			refs, roots := vendorImages(t, b.Content, s)
			r := packed(t, b, s, refs...)
			to := into(b, s, s.Project+"/in")
			for _, run := range []string{"unpack", "unpack again"} {
				if err := unpack.Run(t.Context(), r, vendorClient(t, s, true), to); err != nil {
					t.Fatalf("%s: %v", run, err)
				}
			}
			for _, img := range r.Inventory().Images {
				if err := s.Compare(t.Context(), b.Content, img.Root, to.Site.Mirror.Repo(img).Repository, img.NamedTags()[0]); err != nil {
					t.Error(err)
				}
			}
			if got, want := len(r.Inventory().Images), len(roots)+1; got != want {
				t.Errorf("%d images were carried, want %d with the signature", got, want)
			}
			for _, quirk := range []string{"schema 1", "a credential for storage", "subject first"} {
				if slices.Contains(s.Met(), quirk) {
					t.Errorf("%q was met", quirk)
				}
			}
			for _, quirk := range quirks {
				if !slices.Contains(s.Met(), quirk) {
					t.Errorf("%q was not met, but %q", quirk, s.Met())
				}
			}
		})
	}
}

// packed packs images of a vendor's registry.
func packed(t *testing.T, b *jobtest.Bench, s *quirktest.Server, refs ...string) *bundle.Reader {
	t.Helper()
	o := b.Prepare(jobtest.Images(refs...))
	o.Client = vendorClient(t, s, false)
	done, err := pack.Run(t.Context(), b.Pack(o, "drive"))
	if err != nil {
		t.Fatal(err)
	}
	return b.Open(done.Dir)
}

// into has a bundle go into a vendor's registry.
func into(b *jobtest.Bench, s *quirktest.Server, namespace string) unpack.Options {
	return unpack.Options{To: b.To(), Parallel: 2, Site: manifests.Site{Mirror: oci.Mirror{Host: s.Host, Namespace: namespace}}}
}

// TestVendorsRefuse has registries refuse what they do not take, which a dry run says
// before the first layer.
func TestVendorsRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		vendor, namespace string
		problem           transport.Problem
		says              string
	}{
		{"harbor", "cache", transport.ProblemDenied, "proxy project"},
		{"nexus", "nobody", transport.ProblemProject, "nobody"},
		{"gitlab", "group/a/b/c", transport.ProblemDenied, "requested access"},
		{"ecr", "nobody", transport.ProblemProject, "does not exist"},
	} {
		t.Run(c.vendor+" "+c.namespace, func(t *testing.T) {
			b, from := jobtest.New(t, 32), quirktest.Start(t, "nexus")
			refs, _ := vendorImages(t, b.Content, from)
			r := packed(t, b, from, refs[0])
			s := quirktest.Start(t, c.vendor)
			o := into(b, s, c.namespace)
			o.DryRun = true
			err := unpack.Run(t.Context(), r, vendorClient(t, s, true), o)
			var found *transport.ProbeError
			if !errors.As(err, &found) || found.Problem != c.problem || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q and %q", err, c.problem, c.says)
			}
		})
	}
}
