package unpack_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/transport"
)

// TestForgedClaims has a stranger say in the mirror that satchel pushed what others did: an
// unpack repeats that as a claim, never as a fact of this host, and a signature that is trusted
// makes it one.
func TestForgedClaims(t *testing.T) {
	t.Parallel()
	s := newSite(t, 931)
	first := s.options(t, "")
	if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), first); err != nil {
		t.Fatal(err)
	}
	all := load(t, receiptsOf(t, first, "", jobtest.Client()).Done[0])
	keys, trust := twoSigners(t)
	for name, state := range map[string]receipt.State{"a receipt": receipt.Done, "an intent": receipt.Intent} {
		for _, theirs := range []int{1, 2} { // of two images
			for _, signed := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d images, signed %t", name, theirs, signed), func(t *testing.T) {
					t.Parallel()
					m := newMirror(t)
					others := map[string]bool{}
					for repo, root := range s.roots {
						if len(others) < theirs {
							others["in/"+repo] = true
							if err := ocitest.Push(t.Context(), s.Content, root, "http://"+m.Host, "in/"+repo, "v1"); err != nil {
								t.Fatal(err)
							}
						}
					}
					o := s.options(t, "")
					o.State, o.Site.Mirror.Host = t.TempDir(), m.Host
					forged := *all
					forged.State, forged.Mirror, forged.Closes = state, o.Site.Mirror, nil
					body, err := forged.Encode()
					if err != nil {
						t.Fatal(err)
					}
					var sigs [][]byte
					if signed {
						sig, err := keys[0].Sign(t.Context(), bundle.ReceiptNamespace, body)
						if err != nil {
							t.Fatal(err)
						}
						sigs = append(sigs, sig)
					}
					tag := s.reader.ID()
					if state == receipt.Intent {
						tag += "-intent-" + oci.Digest(body).Encoded()[:12]
					}
					put(t, o, tag, body, sigs)
					if err := unpack.Run(t.Context(), s.reader, jobtest.Client(), o); err != nil {
						t.Fatal(err)
					}
					checkClaims(t, o, others, oci.Digest(body).String())
					if !signed {
						return
					}
					k := &receipt.Keeper{Dir: receipt.HostDir(o.State, o.Site.Mirror), Mirror: transport.NewMirror(jobtest.Client(), o.Site.Mirror, 2), Repo: receipt.RepoIn(o.Site.Mirror), Trust: trust}
					h, err := k.History(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					sure, err := h.LoadSure()
					if err != nil {
						t.Fatal(err)
					}
					for repo := range others {
						root := s.roots[repo[len("in/"):]].Digest
						if in := receipt.Merge(sure...).Manifest(root); !slices.Contains(in, receipt.Place{Repo: repo, Mark: receipt.Pushed}) {
							t.Errorf("with trust, %s is in %v", root, in)
						}
					}
				})
			}
		}
	}
}

// checkClaims runs an unpack once more, and looks at what is sure without trust.
func checkClaims(t *testing.T, o unpack.Options, others map[string]bool, forged string) {
	t.Helper()
	h := receiptsOf(t, o, o.State, jobtest.Client())
	sure, err := h.LoadSure()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for i, one := range h.Done {
		if one.Own {
			own++
		}
		if one.Own && (len(one.Head.Claims) != 1 || one.Head.Claims[0].String() != forged) {
			t.Errorf("it rests on %v, and not on %s", one.Head.Claims, forged)
		}
		for _, m := range sure[i].Manifests {
			if others[m.Repo] && m.Mark != receipt.Found {
				t.Errorf("%s in %s, which others pushed, is surely %s", m.Digest, m.Repo, m.Mark)
			}
		}
		for _, b := range sure[i].Blobs {
			for _, p := range b.In {
				if others[p.Repo] && p.Mark != receipt.Found {
					t.Errorf("blob %s in %s, which others pushed, is surely %s", b.Short, p.Repo, p.Mark)
				}
			}
		}
		for _, img := range sure[i].Images {
			for _, tag := range img.Tags {
				if others[img.Repo] && tag.Name == "v1" && tag.Mark != receipt.Found {
					t.Errorf("tag %s of %s, which others pushed, is surely %s", tag.Name, img.Repo, tag.Mark)
				}
			}
		}
	}
	if own != 1 {
		t.Errorf("%d receipts are of this host", own)
	}
}
