package main

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inspect"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/plan"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// longNames gives the longest references and bundle names of real catalogs.
func longNames(t *testing.T) (refs []oci.Ref, names []string) {
	t.Helper()
	const dir = "../../../shared/data/fbc"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the catalogs that others publish are not here: %v", err)
	}
	image := regexp.MustCompile(`[a-z0-9.-]+\.[a-z]+/[a-z0-9/._-]+@sha256:[0-9a-f]{64}`)
	name := regexp.MustCompile(`"name": ?"([a-z0-9.+-]{30,})"`)
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		body, err := io.ReadAll(io.LimitReader(bufio.NewReader(f), 2<<20))
		for _, m := range image.FindAll(body, 200) {
			if ref, err := oci.ParseRef(string(m)); err == nil {
				refs = append(refs, ref)
			}
		}
		for _, m := range name.FindAllSubmatch(body, 200) {
			names = append(names, string(m[1]))
		}
		return err
	})
	if err != nil || len(refs) < 20 || len(names) < 5 {
		t.Fatalf("%d references, %d names, %v", len(refs), len(names), err)
	}
	longest := func(a, b string) int { return len(b) - len(a) }
	slices.SortFunc(refs, func(a, b oci.Ref) int {
		return cmp.Or(longest(a.String(), b.String()), strings.Compare(a.String(), b.String()))
	})
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(longest(a, b), strings.Compare(a, b)) })
	return slices.Compact(refs)[:20], slices.Compact(names)[:5]
}

// TestGapOfSignature: what only lacks a signature is not shown as an image that is not carried.
func TestGapOfSignature(t *testing.T) {
	t.Parallel()
	img := oci.Image{Origin: manifests.OriginRelease, Source: oci.Ref{Registry: "q.example", Repository: "r", Tag: "v1"}}
	signature := img
	signature.Reasons = []oci.Reason{manifests.ReasonDemanded("etcd")}
	for want, g := range map[string]oci.Gap{
		"release  q.example/r:v1  NOT CARRIED: unexpected EOF\n":                                        {Image: img, Err: io.ErrUnexpectedEOF},
		"release  q.example/r:v1  the image is carried, its signature is NOT CARRIED: unexpected EOF\n": {Image: signature, Err: io.ErrUnexpectedEOF},
	} {
		var b strings.Builder
		p := &printer{w: &b}
		if p.gap(view{}, g); b.String() != want || p.err != nil {
			t.Errorf("got %q, %v", b.String(), p.err)
		}
	}
}

// TestTablesFit: what plan and inspect print of the longest real names fits 80 and 120 columns,
// and no two images look alike; --wide and files have all of it.
func TestTablesFit(t *testing.T) {
	t.Parallel()
	refs, names := longNames(t)
	p, in := &plan.Report{}, &inspect.Report{}
	for _, ref := range refs {
		img := report.Image{Origin: manifests.OriginOperator, Source: ref, Digest: ref.Digest, Platforms: []string{"linux/amd64", "linux/arm64", "linux/ppc64le", "linux/s390x"}, Bytes: 1 << 30,
			Why: []string{"operator " + names[0] + " 1.2.3-0.1664967752.p: related image " + names[1], "catalog registry.redhat.io/redhat/redhat-operator-index:v4.99"}}
		in.Images = append(in.Images, img)
		p.Images = append(p.Images, plan.Image{Image: img, Shared: 1 << 29})
	}
	gap := oci.Gap{Image: oci.Image{Origin: manifests.OriginOperator, Source: refs[0]}, Err: io.ErrUnexpectedEOF}
	contents := manifests.CatalogContents{Catalog: refs[0].String()}
	for _, name := range names {
		contents.Packages = append(contents.Packages, manifests.PackageContents{Name: name, DefaultChannel: names[2], Channels: []manifests.ChannelContents{{Name: names[2],
			Versions: []manifests.VersionContents{{Version: "0.11.0-mas"}, {Version: "0.10.0-0.1675913645.p"}, {Version: "0.9.1-0.1664967752.p"}}}}})
	}
	p.Catalogs, in.Catalogs = []manifests.CatalogContents{contents}, []manifests.CatalogContents{contents}
	p.Releases = []manifests.CarriedRelease{{Name: "4.99.0-x86_64", Why: []string{"channel stable-4.99", "signed by Made up for the demo, key A5AC8BCC3E82581FC0EBCAB2F7EF87EC37600556"}}}
	p.Gaps, in.Gaps = []oci.Gap{gap}, []oci.Gap{gap}
	for _, columns := range []int{80, 120, 0} {
		v := view{columns}
		for name, write := range map[string]func(io.Writer) error{
			"plan":    func(w io.Writer) error { return printPlan(w, p, true, v) },
			"inspect": func(w io.Writer) error { return printInspect(w, in, v) },
		} {
			var b strings.Builder
			if err := v.print(&b, write); err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for line := range strings.Lines(b.String()) {
				if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); columns > 0 && n > columns {
					t.Errorf("%s, %d columns: a line has %d: %s", name, columns, n, line)
				}
				if strings.HasPrefix(line, "operator") && seen[line] {
					t.Errorf("%s, %d columns: twice: %s", name, columns, line)
				}
				seen[line] = true
			}
			for _, ref := range refs { // inspect cuts no name
				if whole := strings.ReplaceAll(b.String(), "\n"+belowRow, ""); (columns == 0 || name == "inspect") && !strings.Contains(whole, ref.WithDigest("").String()) {
					t.Errorf("%s, %d columns: %s is not whole:\n%s", name, columns, ref, &b)
				}
			}
			if testing.Verbose() {
				t.Logf("%s, %d columns:\n%s", name, columns, &b)
			}
		}
	}
}

// TestElided: more is left of the end than of the beginning.
func TestElided(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{"short": "short", "registry.example/team/app@sha256:0123456789ab": "regi...", "": ""} {
		got := elided(in, 16)
		if utf8.RuneCountInString(got) > 16 || !strings.HasPrefix(got, want) || !strings.HasSuffix(in, got[max(0, len(got)-9):]) {
			t.Errorf("%q becomes %q", in, got)
		}
	}
}
