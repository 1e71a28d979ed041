package oci_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/satchel-airgap/satchel/"

// allowed says which of the module's packages a top-level one may import, besides
// those below itself. Test helpers count as their owner's.
var allowed = map[string][]string{
	"oci":       {},
	"transport": {"oci"},
	"manifests": {"oci"},
	"bundle":    {"oci"},
	"cmd":       {"oci", "transport", "manifests", "bundle"},
	"scripts":   {"oci"},
}

// closed says which modules only these packages may import: the arrows to the outside.
var closed = map[string][]string{
	"filippo.io/age":                  {"bundle"},
	"github.com/klauspost/compress":   {"bundle", "manifests"},
	"github.com/ProtonMail/go-crypto": {"manifests"},
	"oras.land/oras-go":               {"transport"},
	"go.podman.io/image":              {"transport"},
	"github.com/schollz/progressbar":  {"cmd"},
	"github.com/spf13":                {"cmd"},
	"golang.org/x/term":               {"cmd"},
	"go.yaml.in/yaml":                 {"manifests"},
	"k8s.io":                          {"manifests"},
	"github.com/operator-framework":   {"manifests"},
	"github.com/blang/semver":         {"manifests"},
	"github.com/Masterminds/semver":   {"manifests"},
	"helm.sh/helm":                    {"manifests"},
	"github.com/olareg/olareg":        {"scripts"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
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

func top(path string) string {
	rest, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	name, _, _ := strings.Cut(rest, "/")
	return name
}

// TestArrows holds every import against the design's dependency arrows.
func TestArrows(t *testing.T) {
	list := packages(t)
	if len(list) < 10 {
		t.Fatalf("only %d packages were listed", len(list))
	}
	for _, p := range list {
		from := top(p.ImportPath)
		testHelper := strings.HasSuffix(p.ImportPath, "test")
		may, known := allowed[from]
		if !known {
			t.Errorf("%s is in no known room", p.ImportPath)
		}
		for _, imp := range p.Imports {
			if to := top(imp); to != "" && to != from && !contains(may, to) {
				t.Errorf("%s imports %s", p.ImportPath, imp)
			}
			for prefix, owners := range closed {
				if strings.HasPrefix(imp, prefix) && !contains(owners, from) && from != "scripts" && !testHelper {
					t.Errorf("%s imports %s, which belongs to %s", p.ImportPath, imp, strings.Join(owners, ", "))
				}
			}
		}
	}
}

func contains(list []string, s string) bool {
	for _, v := range list {
		if v == s {
			return true
		}
	}
	return false
}
