package emit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

var rewrite = flag.Bool("update", false, "write the golden files again")

// goldenLine parts a golden file: above it the input, below it what Emit makes.
const goldenLine = "================\n"

// emitInput is the input of a golden file, in YAML.
type emitInput struct {
	Mirror                string            `json:"mirror"`
	MaxNestedPaths        int               `json:"maxNestedPaths"`
	Username              string            `json:"username"`
	Password              string            `json:"password"`
	Token                 bool              `json:"token"`
	PullSecret            string            `json:"pullSecret"`
	NodeSecret            string            `json:"nodeSecret"`
	PushOnNodes           bool              `json:"pushOnNodes"`
	CA                    string            `json:"ca"`
	PresentCA             string            `json:"presentCA"`
	PresentImage          string            `json:"presentImage"`
	PresentRules          string            `json:"presentRules"`
	PresentCatalogSources string            `json:"presentCatalogs"`
	MirrorAPI             site.MirrorAPI    `json:"mirrorAPI"`
	SourcePolicy          site.SourcePolicy `json:"sourcePolicy"`
	PullFrom              []string          `json:"pullFrom"`
	ClusterVersion        string            `json:"clusterVersion"`
	Cluster               []map[string]any  `json:"cluster"`       // objects that it has
	Asked                 []string          `json:"asked"`         // kinds that it has none of
	Facts                 []emitFacts       `json:"facts"`         // of payloads
	EarlierImages         []emitImage       `json:"earlierImages"` // of one earlier bundle
	EarlierReleases       []emitFacts       `json:"earlierReleases"`
	CatalogNames          map[string]string `json:"catalogNames"`
	Unchecked             bool              `json:"unchecked"`
	Now                   time.Time         `json:"now"`
	Images                []emitImage       `json:"images"`
	Gaps                  []emitImage       `json:"gaps"`
	Signatures            []emitSignature   `json:"signatures"`
}

type emitSignature struct {
	Of      string `json:"of"` // an image's source
	Number  int    `json:"number"`
	Message string `json:"message"`
}

// emitFacts are facts of the payload with a tag; From has versions, or VERSION!RISK.
type emitFacts struct {
	Tag      string            `json:"tag"`
	From     []string          `json:"from"`
	Previous []string          `json:"previous"`
	Gates    map[string]string `json:"gates"`
	Policies []string          `json:"policies"` // ClusterImagePolicies that it brings, as JSON
}

func (f emitFacts) facts(t testing.TB, images []emitImage) documents.PayloadFacts {
	t.Helper()
	tag, _ := origin.ParseReleaseTag(f.Tag)
	one := documents.PayloadFacts{Version: tag.Version, Architecture: tag.Arch}
	one.Previous, one.Gates = f.Previous, f.Gates
	for _, p := range f.Policies {
		one.Policies = append(one.Policies, payload.Policy{Name: "openshift", Body: []byte(p)})
	}
	for _, i := range images {
		if slices.Contains(i.Tags, f.Tag) {
			one.Payload = i.image(t).Root.Digest
		}
	}
	for _, from := range f.From {
		version, risk, risky := strings.Cut(from, "!")
		u := documents.Update{From: semver.MustParse(version)}
		if risky {
			u.Risks = []documents.Risk{{Name: risk, Message: "Some clusters " + strings.ToLower(risk) + ".", URL: "https://a.example/" + risk}}
		}
		one.Updates = append(one.Updates, u)
	}
	return one
}

type emitImage struct {
	Origin    oci.Origin    `json:"origin"`
	Source    string        `json:"source"`
	Path      string        `json:"path"`
	Tags      []string      `json:"tags"`
	Platforms []string      `json:"platforms"`
	Subject   digest.Digest `json:"subject"`
	Error     string        `json:"error"`
	Why       []string      `json:"why"`
}

// image makes an image of its source, with a digest made of that if it has none.
func (i emitImage) image(t testing.TB) oci.Image {
	t.Helper()
	ref, err := oci.ParseRef(i.Source)
	if err != nil {
		t.Fatal(err)
	}
	d := oci.Descriptor{MediaType: oci.MediaTypeManifest, Size: 2, Digest: cmp.Or(ref.Digest, digest.FromString(i.Source))}
	return oci.Image{Origin: i.Origin, Source: ref, Path: i.Path, Tags: i.Tags, Platforms: i.Platforms, Subject: i.Subject, Root: d}
}

func (in emitInput) parse(t testing.TB) (*oci.Inventory, site.Site) {
	t.Helper()
	inv := &oci.Inventory{}
	for _, i := range in.Images {
		inv.Images = append(inv.Images, i.image(t))
	}
	for _, i := range in.Gaps {
		inv.Gaps = append(inv.Gaps, oci.Gap{Image: oci.Image{Origin: i.Origin, Source: i.image(t).Source, Reasons: reasons(i.Why...)}, Err: errors.New(i.Error)})
	}
	mirror, err := oci.ParseMirror(in.Mirror)
	must(t, err)
	mirror.MaxNestedPaths = in.MaxNestedPaths
	given := site.Site{Mirror: mirror, CA: []byte(in.CA), CatalogNames: in.CatalogNames, Now: in.Now, Unchecked: in.Unchecked}
	given.MirrorAPI, given.SourcePolicy = in.MirrorAPI, in.SourcePolicy
	if in.ClusterVersion != "" || len(in.Cluster)+len(in.Asked) > 0 {
		var objects []cluster.Object
		for _, o := range in.Cluster {
			body, err := json.Marshal(o)
			must(t, err)
			objects = append(objects, objectIn(t, string(body)))
		}
		given.Cluster = cluster.NewState("cluster", objects, in.Asked...)
		given.Cluster.Version = in.ClusterVersion
	}
	for _, f := range in.Facts {
		given.Payloads = append(given.Payloads, f.facts(t, in.Images))
	}
	for _, f := range in.EarlierReleases {
		of := payloads(f.Tag)
		given.EarlierReleases = append(given.EarlierReleases, site.EarlierRelease{Image: of[0].image(t), Facts: f.facts(t, of)})
	}
	for _, at := range in.PullFrom {
		from, err := oci.ParseMirror(at)
		must(t, err)
		given.PullFrom = append(given.PullFrom, from)
	}
	for _, s := range in.Signatures {
		given.Signatures = append(given.Signatures, documents.Signature{Payload: emitImage{Source: s.Of}.image(t).Root.Digest, Number: s.Number, Message: []byte(s.Message)})
	}
	if in.Username != "" || in.Token {
		given.Credential = &site.Credential{Username: in.Username, Password: in.Password, Token: in.Token}
	}
	if in.PullSecret != "" {
		given.PullSecret, err = site.ParsePullSecret("pull-secret", []byte(in.PullSecret))
		must(t, err)
	}
	if in.NodeSecret != "" {
		given.NodeSecret, err = site.ParsePullSecret("node-secret", []byte(in.NodeSecret))
		must(t, err)
	}
	given.PushOnNodes = in.PushOnNodes
	if in.PresentCA != "" {
		given.PresentCA, err = site.ParseRegistryCA("present-ca", []byte(in.PresentCA))
		must(t, err)
	}
	if in.PresentImage != "" {
		given.PresentImage, err = site.ParseImageConfig("present-image", []byte(in.PresentImage))
		must(t, err)
	}
	if in.PresentRules != "" {
		given.PresentRules, err = site.ParsePresentRules("present-rules", []byte(in.PresentRules))
		must(t, err)
	}
	if in.PresentCatalogSources != "" {
		given.PresentCatalogSources, err = site.ParsePresentCatalogSources("present-catalogs", []byte(in.PresentCatalogSources))
		must(t, err)
	}
	if len(in.EarlierImages) > 0 {
		var places []site.SourcePlace
		for _, i := range in.EarlierImages {
			img := i.image(t)
			places = append(places, site.SourcePlace{Source: img.Source.Name(), Place: mirror.Repo(img).Name(), Origins: []oci.Origin{img.Origin}})
		}
		given.Earlier = append(given.Earlier, places)
	}
	return inv, given
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// emitted writes what Emit made as one text.
func emitted(files []handover.File, notes []string, err error) []byte {
	var b bytes.Buffer
	var given *site.SiteError
	if errors.As(err, &given) {
		fmt.Fprintf(&b, "error: %s\nhint: %s\n", err, given.Hint())
	} else if err != nil {
		fmt.Fprintf(&b, "error: %s\n", err)
	}
	for _, n := range notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	for _, f := range files {
		if isGitOps(f.Name) { // the same objects once more
			continue
		}
		fmt.Fprintf(&b, "-- %s %04o --\n%s", f.Name, f.Mode, f.Body)
	}
	return b.Bytes()
}

// TestEmitGolden holds what is written against testdata/*.golden; -update
// writes them again. Every object is checked against its CRD too.
func TestEmitGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.golden")
	must(t, err)
	if len(files) < 5 {
		t.Fatalf("only %d golden files", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".golden"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			must(t, err)
			input, want, _ := bytes.Cut(text, []byte(goldenLine))
			var in emitInput
			must(t, yaml.UnmarshalStrict(input, &in))
			inv, given := in.parse(t)
			made, notes, err := Emit(inv, given)
			got := emitted(made, notes, err)
			if *rewrite {
				must(t, os.WriteFile(file, bytes.Join([][]byte{input, got}, []byte(goldenLine)), 0o644))
			} else if !bytes.Equal(got, want) {
				t.Errorf("%s: other output; see the difference with -update and git diff\n%s", file, firstDifference(want, got))
			}
			checkObjects(t, made)
			checkCommands(t, made)
		})
	}
}

var fileArgument = regexp.MustCompile(`(?: -f |--patch-file |\.dockerconfigjson=)([^\s;-][^\s;]*)`)

// checkCommands: a shell takes what is to be pasted, every file that it names was
// written, and every file for the cluster is named.
func checkCommands(t *testing.T, files []handover.File) {
	t.Helper()
	known := map[string]bool{}
	for _, f := range files {
		known[f.Name] = true
	}
	var all string
	for _, f := range files {
		if !strings.HasSuffix(f.Name, ".md") {
			continue
		}
		for i, part := range strings.Split(strings.ReplaceAll(string(f.Body), "```sh\n", "```\n"), "```\n") {
			if i%2 == 0 {
				continue
			}
			if wrong := syntaxError(t, part); wrong != "" {
				t.Errorf("%s: %s", f.Name, wrong)
			}
			for _, m := range fileArgument.FindAllStringSubmatch(part, -1) {
				m[1] = strings.TrimRight(m[1], ")")
				if m[1] != "-" && !strings.HasPrefix(m[1], `"$`) && !known[m[1]] && !strings.Contains(string(f.Body), "> "+m[1]) && !strings.Contains(string(f.Body), "--output "+m[1]+" ") {
					t.Errorf("%s names %s, which was not written", f.Name, m[1])
				}
			}
		}
		all += string(f.Body)
	}
	for _, f := range files {
		stands := strings.Contains(all, "Nothing to do: ") && !strings.Contains(f.Name, "/")
		if strings.HasSuffix(f.Name, ".yaml") && f.Mode == handover.ModePublic && !isGitOps(f.Name) && !strings.Contains(all, f.Name) && !stands {
			t.Errorf("no step is for %s", f.Name)
		}
	}
}

// parsed has what bash says of commands, by their text: most pages share most of theirs.
var parsed sync.Map

// syntaxError is what bash says of commands that it cannot parse; "" if it can.
func syntaxError(t testing.TB, commands string) string {
	once, _ := parsed.LoadOrStore(commands, sync.OnceValue(func() string {
		if out, err := proctest.Command(t, "bash", "-n", "-c", commands).CombinedOutput(); err != nil {
			return fmt.Sprintf("%v: %s", err, out)
		}
		return ""
	}))
	return once.(func() string)()
}

func firstDifference(want, got []byte) string {
	w, g := strings.Split(string(want), "\n"), strings.Split(string(got), "\n")
	for i := range max(len(w), len(g)) {
		a, b := "(end)", "(end)"
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d:\nwant %s\ngot  %s", i+1, a, b)
		}
	}
	return ""
}
