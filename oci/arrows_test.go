package oci_test

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

const module = "github.com/satchel-airgap/satchel/"

// rows says, for a package and what lies below it without a row of its own, which
// packages of the module it may import besides those below its own row. A name covers
// what lies below it; "oci" alone is everything in oci. Test helpers count as their owner's.
var rows = []struct {
	pkg  string
	may  []string
	deny []string // prefixes of import paths that it may not have, of other modules too
}{
	{pkg: "oci"},
	{pkg: "transport", may: []string{"oci"}},
	// Parts of the registry client, each of which stands alone or on those that it names.
	{pkg: "transport/internal/watch"},
	{pkg: "transport/internal/hostfile"},
	{pkg: "transport/internal/limit"},
	{pkg: "transport/internal/redirect", may: []string{"transport/internal/reply"}},
	{pkg: "transport/internal/proxy", may: []string{"oci", "transport/internal/reply"}},
	{pkg: "transport/internal/login", may: []string{"oci", "transport/internal/redirect", "transport/internal/reply", "transport/internal/watch"}},
	{pkg: "transport/internal/retry"},
	{pkg: "transport/internal/probe", may: []string{"oci", "transport/internal/reply"}},
	{pkg: "transport/internal/order", may: []string{"oci"}},
	{pkg: "transport/internal/reply", may: []string{"oci", "transport/internal/watch"}},
	{pkg: "manifests", may: []string{"oci"}},
	// What reads formats. The order above it: imageset, ask, what resolves; emit makes no requests.
	{pkg: "manifests/internal", may: []string{"oci", "manifests/internal/origin"}},
	{pkg: "manifests/internal/origin", may: []string{"oci"}},
	{pkg: "manifests/internal/tempfile"},
	{pkg: "manifests/internal/sigstore", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/origin", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/catalog", may: []string{"oci", "manifests/internal/layers", "manifests/internal/tempfile"}},
	{pkg: "manifests/internal/catalogdiff", may: []string{"oci", "manifests/internal/catalog", "manifests/internal/filter", "manifests/internal/layers", "manifests/internal/opm", "manifests/internal/tempfile"}},
	{pkg: "manifests/internal/catalogmerge", may: []string{"oci", "manifests/internal/catalog", "manifests/internal/filter", "manifests/internal/tempfile"}},
	{pkg: "manifests/internal/graphdata", may: []string{"oci", "manifests/internal/rebuild", "manifests/internal/tempfile"}},
	{pkg: "manifests/internal/opm", may: []string{"oci", "manifests/internal/tempfile"}},
	{pkg: "manifests/internal/documents", may: []string{"oci", "manifests/internal/payload", "manifests/internal/signature"}},
	{pkg: "manifests/internal/imageset", may: []string{"oci", "manifests/internal/origin", "manifests/internal/documents", "manifests/internal/filter", "manifests/internal/graphdata", "manifests/internal/helm", "manifests/internal/signature", "manifests/internal/strict"}},
	{pkg: "manifests/internal/ask", may: []string{"oci", "manifests/internal/origin", "manifests/internal/documents", "manifests/internal/layers", "manifests/internal/rebuild", "manifests/internal/strict"}},
	{pkg: "manifests/internal/pin", may: []string{"oci", "manifests/internal/origin", "manifests/internal/imageset", "manifests/internal/ask"}},
	{pkg: "manifests/internal/pinfile", may: []string{"oci", "manifests/internal/origin", "manifests/internal/documents", "manifests/internal/imageset"}},
	{pkg: "manifests/internal/release", may: []string{"oci", "manifests/internal/origin", "manifests/internal/documents", "manifests/internal/imageset", "manifests/internal/ask", "manifests/internal/graph", "manifests/internal/graphdata", "manifests/internal/layers", "manifests/internal/payload", "manifests/internal/rebuild", "manifests/internal/signature", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/operator", may: []string{"oci", "manifests/internal/origin", "manifests/internal/tempfile", "manifests/internal/documents", "manifests/internal/imageset", "manifests/internal/ask", "manifests/internal/catalog", "manifests/internal/catalogmerge", "manifests/internal/filter", "manifests/internal/layers", "manifests/internal/opm", "manifests/internal/rebuild"}},
	{pkg: "manifests/internal/chart", may: []string{"oci", "manifests/internal/origin", "manifests/internal/imageset", "manifests/internal/ask", "manifests/internal/helm"}},
	{pkg: "manifests/internal/pods", may: []string{"oci", "manifests/internal/origin", "manifests/internal/imageset", "manifests/internal/ask", "manifests/internal/podlist"}},
	{pkg: "manifests/internal/needed", may: []string{"oci", "manifests/internal/origin", "manifests/internal/imageset", "manifests/internal/cluster", "manifests/internal/podlist", "manifests/internal/pods"}},
	{pkg: "manifests/internal/draft", may: []string{"oci", "manifests/internal/origin", "manifests/internal/imageset", "manifests/internal/cluster", "manifests/internal/needed", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/mirrored", may: []string{"oci", "manifests/internal/ask", "manifests/internal/catalog", "manifests/internal/catalogdiff", "manifests/internal/helm", "manifests/internal/imageset", "manifests/internal/layers", "manifests/internal/operator", "manifests/internal/payload"}},
	{pkg: "manifests/internal/site", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/documents", "manifests/internal/imageset", "manifests/internal/pullsecret", "manifests/internal/rules", "manifests/internal/sigstore", "manifests/internal/strict", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/handover", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/kube", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/rules", "manifests/internal/site"}},
	{pkg: "manifests/internal/trust", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/handover", "manifests/internal/kube", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/rules", "manifests/internal/site"}},
	{pkg: "manifests/internal/login", may: []string{"oci", "manifests/internal/handover", "manifests/internal/kube", "manifests/internal/page", "manifests/internal/pullsecret", "manifests/internal/site", "manifests/internal/trust"}},
	{pkg: "manifests/internal/lead", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/handover", "manifests/internal/kube", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/rules", "manifests/internal/sigstore", "manifests/internal/site", "manifests/internal/trust", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/operatorhub", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/documents", "manifests/internal/handover", "manifests/internal/kube", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/rules", "manifests/internal/site"}},
	{pkg: "manifests/internal/update", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/documents", "manifests/internal/handover", "manifests/internal/kube", "manifests/internal/lead", "manifests/internal/operatorhub", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/sigstore", "manifests/internal/site", "manifests/internal/trust", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/emit", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/documents", "manifests/internal/handover", "manifests/internal/imageset", "manifests/internal/kube", "manifests/internal/lead", "manifests/internal/login", "manifests/internal/operatorhub", "manifests/internal/origin", "manifests/internal/page", "manifests/internal/pullsecret", "manifests/internal/rules", "manifests/internal/site", "manifests/internal/strict", "manifests/internal/trust", "manifests/internal/update", "manifests/internal/updatepath"}},
	{pkg: "manifests/internal/audit", may: []string{"oci", "manifests/internal/ask", "manifests/internal/catalog", "manifests/internal/catalogdiff", "manifests/internal/cluster", "manifests/internal/documents", "manifests/internal/handover", "manifests/internal/pullsecret", "manifests/internal/rules", "manifests/internal/sigstore", "manifests/internal/site", "manifests/internal/trust"}},
	{pkg: "manifests/internal/written", may: []string{"oci", "manifests/internal/cluster", "manifests/internal/handover", "manifests/internal/imageset", "manifests/internal/operatorhub", "manifests/internal/rules", "manifests/internal/site", "manifests/internal/strict"}},
	{pkg: "manifests/internal/asktest", may: []string{"oci", "manifests/internal/documents", "manifests/internal/imageset", "manifests/internal/ask"}},
	{pkg: "manifests/opmtest", may: []string{"oci", "manifests/internal/opm", "manifests/internal/catalog"}},
	{pkg: "bundle", may: []string{"oci"}},
	{pkg: "cmd/satchel", may: []string{"oci", "transport", "manifests", "bundle"}},
	{pkg: "cmd/satchel/internal/available", may: []string{"oci", "transport", "manifests", "cmd/satchel/internal/cache", "cmd/satchel/internal/notice", "cmd/satchel/internal/prepare"}, deny: terminal},
	{pkg: "cmd/satchel/internal/cache", may: []string{"oci", "cmd/satchel/internal/durable"}, deny: terminal},
	{pkg: "cmd/satchel/internal/durable", deny: terminal},
	{pkg: "cmd/satchel/internal/hub", may: []string{"oci", "manifests"}, deny: terminal},
	{pkg: "cmd/satchel/internal/baseline", may: []string{"oci", "bundle", "cmd/satchel/internal/ledger", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/ledger", may: []string{"oci", "bundle", "cmd/satchel/internal/durable"}, deny: terminal},
	{pkg: "cmd/satchel/internal/receipt", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/durable"}, deny: terminal},
	{pkg: "cmd/satchel/internal/prune", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/notice", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/inuse", may: []string{"oci", "transport", "manifests", "cmd/satchel/internal/clusters", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/notice", may: []string{"oci"}, deny: terminal},
	{pkg: "cmd/satchel/internal/report", may: []string{"oci"}, deny: terminal},
	{pkg: "cmd/satchel/internal/catalogs", may: []string{"oci", "transport", "manifests"}, deny: terminal},
	{pkg: "cmd/satchel/internal/changes", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/catalogs", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/copying", may: []string{"oci", "bundle", "cmd/satchel/internal/notice"}, deny: terminal},
	{pkg: "cmd/satchel/internal/gaps", may: []string{"oci", "manifests", "cmd/satchel/internal/durable"}, deny: terminal},
	{pkg: "cmd/satchel/internal/check", may: []string{"oci", "transport", "manifests", "cmd/satchel/internal/notice", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/clusters", may: []string{"manifests"}, deny: terminal},
	{pkg: "cmd/satchel/internal/clusteryaml", may: []string{"oci", "manifests", "bundle"}, deny: terminal},
	{pkg: "cmd/satchel/internal/renderer", may: []string{"oci", "manifests"}, deny: terminal},
	{pkg: "cmd/satchel/internal/profile", may: []string{"bundle"}, deny: terminal},
	{pkg: "cmd/satchel/internal/outdir", may: []string{"manifests", "cmd/satchel/internal/durable"}, deny: terminal},
	{pkg: "cmd/satchel/internal/prepare", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/cache", "cmd/satchel/internal/clusteryaml", "cmd/satchel/internal/gaps", "cmd/satchel/internal/notice", "cmd/satchel/internal/report"}, deny: terminal},
	{pkg: "cmd/satchel/internal/places", may: []string{"oci", "bundle", "cmd/satchel/internal/prepare"}, deny: terminal},
	{pkg: "cmd/satchel/internal/pack", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/durable", "cmd/satchel/internal/gaps", "cmd/satchel/internal/ledger", "cmd/satchel/internal/notice", "cmd/satchel/internal/places", "cmd/satchel/internal/prepare", "cmd/satchel/internal/report"}, deny: terminal},
	{pkg: "cmd/satchel/internal/plan", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/clusteryaml", "cmd/satchel/internal/ledger", "cmd/satchel/internal/places", "cmd/satchel/internal/prepare", "cmd/satchel/internal/report"}, deny: terminal},
	{pkg: "cmd/satchel/internal/unpack", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/catalogs", "cmd/satchel/internal/changes", "cmd/satchel/internal/clusteryaml", "cmd/satchel/internal/durable", "cmd/satchel/internal/gaps", "cmd/satchel/internal/hub", "cmd/satchel/internal/notice", "cmd/satchel/internal/outdir", "cmd/satchel/internal/receipt"}, deny: terminal},
	{pkg: "cmd/satchel/internal/inspect", may: []string{"oci", "manifests", "bundle", "cmd/satchel/internal/gaps", "cmd/satchel/internal/report"}, deny: terminal},
	{pkg: "cmd/satchel/internal/siteconfig", may: []string{"oci"}, deny: terminal},
	{pkg: "cmd/satchel/internal/serve", may: []string{"oci", "bundle", "cmd/satchel/internal/durable", "cmd/satchel/internal/notice"}, deny: terminal},
	{pkg: "cmd/satchel/internal/jobtest", may: []string{"oci", "transport", "manifests", "bundle", "cmd/satchel/internal/cache", "cmd/satchel/internal/notice", "cmd/satchel/internal/pack", "cmd/satchel/internal/prepare"}, deny: terminal},
	{pkg: "scripts", may: []string{"oci"}},
}

// terminal is what a person sees and types: jobs know nothing of it.
var terminal = []string{"github.com/spf13", "github.com/schollz/progressbar", "golang.org/x/term"}

// closed says which modules only these parts of the tree may import: the arrows to the outside.
var closed = map[string][]string{
	"filippo.io/age":                   {"bundle"},
	"github.com/hiddeco/sshsig":        {"bundle"},
	"github.com/klauspost/compress":    {"bundle", "manifests"},
	"github.com/klauspost/reedsolomon": {"bundle"},
	"github.com/ProtonMail/go-crypto":  {"manifests"},
	"oras.land/oras-go":                {"transport"},
	"go.podman.io/image":               {"transport"},
	"github.com/docker/distribution":   {"transport"},
	"github.com/BurntSushi/toml":       {"manifests"},
	"github.com/schollz/progressbar":   {"cmd"},
	"github.com/spf13":                 {"cmd"},
	"golang.org/x/term":                {"cmd"},
	"go.yaml.in/yaml":                  {"manifests", "cmd"},
	"k8s.io":                           {"manifests"},
	"github.com/operator-framework":    {"manifests"},
	"github.com/blang/semver":          {"manifests"},
	"github.com/Masterminds/semver":    {"manifests"},
	"helm.sh/helm":                     {"manifests"},
	"github.com/olareg/olareg":         {"scripts"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := proctest.Within(t, proctest.Build, "go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	dec := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// below reports whether a package is one of the name, or lies below it.
func below(pkg, name string) bool { return pkg == name || strings.HasPrefix(pkg, name+"/") }

// row finds the row with the longest name that covers a package.
func row(pkg string) int {
	found := -1
	for i, r := range rows {
		if below(pkg, r.pkg) && (found < 0 || len(r.pkg) > len(rows[found].pkg)) {
			found = i
		}
	}
	return found
}

// TestArrows holds every import against the design's dependency arrows.
func TestArrows(t *testing.T) {
	t.Parallel()
	list := packages(t)
	if len(list) < 10 {
		t.Fatalf("only %d packages were listed", len(list))
	}
	for _, p := range list {
		from := strings.TrimPrefix(p.ImportPath, module)
		at := row(from)
		if at < 0 {
			t.Errorf("%s is in no row", p.ImportPath)
			continue
		}
		for _, imp := range p.Imports {
			if to, ours := strings.CutPrefix(imp, module); ours && !allowed(at, from, to) {
				t.Errorf("%s imports %s; see rows in this test", p.ImportPath, imp)
			}
			checkOutside(t, at, from, imp)
		}
	}
}

// allowed reports whether a package of a row may import another of the module.
func allowed(at int, from, to string) bool {
	r := rows[at]
	if row(to) == at { // of the same row
		return true
	}
	for _, may := range r.may {
		if below(to, may) {
			return true
		}
	}
	// The command imports its jobs, and the root of a library what it is the door of.
	return below(to, from) && !strings.Contains(from, "/internal/")
}

// checkOutside holds an import of another module against what the row and the tree allow.
func checkOutside(t *testing.T, at int, from, imp string) {
	t.Helper()
	for _, prefix := range rows[at].deny {
		if strings.HasPrefix(imp, prefix) {
			t.Errorf("%s imports %s, which jobs know nothing of", from, imp)
		}
	}
	top, _, _ := strings.Cut(from, "/")
	for prefix, owners := range closed {
		if strings.HasPrefix(imp, prefix) && !slices.Contains(owners, top) && top != "scripts" && !strings.HasSuffix(from, "test") {
			t.Errorf("%s imports %s, which belongs to %s", from, imp, strings.Join(owners, ", "))
		}
	}
}
