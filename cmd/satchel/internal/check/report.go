package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Kind says what is wrong.
type Kind string

// The kinds of findings about images and rules.
const (
	Missing     Kind = "missing"     // no place has it, or has all of it
	Damaged     Kind = "damaged"     // a place gives other bytes
	NoRule      Kind = "noRule"      // no rule leads to a mirror
	ByTag       Kind = "byTag"       // it is pulled by tag, and rules are for pulls by digest
	Moved       Kind = "moved"       // a tag names another image than the one that was carried
	Credential  Kind = "credential"  // the place refuses nodes
	Certificate Kind = "certificate" // nodes do not trust the place
	Unreachable Kind = "unreachable" // the place does not answer
	Blocked     Kind = "blocked"     // the rules forbid the place
	Refused     Kind = "refused"     // the place answers otherwise
	Elsewhere   Kind = "elsewhere"   // a part of it is fetched from an address that it names itself, or the mirror sends nodes to a source
	Unsigned    Kind = "unsigned"    // a signature that nodes demand is missing or wrong
	Attachment  Kind = "attachment"  // a signature or another attachment is missing, and nothing demands it
	Tag         Kind = "tag"         // a tag is gone that nodes do not pull by
	FileMissing Kind = "fileMissing" // APPLY.md applies a file that is not there
	RulesDiffer Kind = "rulesDiffer" // registries.conf says something else than the rules
	Unread      Kind = "unread"      // a release or a catalog cannot be read, so its images are not known
)

// Try is a place that was asked for an image and did not give it.
type Try struct {
	Place string `json:"place"`
	Error string `json:"error"`
}

// Finding is one thing that is not as it should be.
type Finding struct {
	Kind   Kind     `json:"kind"`
	Fails  bool     `json:"fails"`            // something would fail; else it is a warning
	Object string   `json:"object,omitempty"` // what of the cluster needs it
	Image  string   `json:"image,omitempty"`  // as nodes name it
	Why    []string `json:"why,omitempty"`    // it is carried, or used
	Rule   string   `json:"rule,omitempty"`   // the source of the rule that counts
	Tried  []Try    `json:"tried,omitempty"`
	Wrong  string   `json:"wrong"`
	// Namespace is the one whose pods alone it is about, "" for all.
	Namespace string `json:"namespace,omitempty"`
	Do        string `json:"do,omitempty"`

	part  digest.Digest // of an index that it is about alone
	scope string        // the entry of registrySources by which nodes refuse the image's name
}

// Image is one image that was asked for.
type Image struct {
	Image     string        `json:"image"` // as nodes name it
	Why       []string      `json:"why,omitempty"`
	Rule      string        `json:"rule,omitempty"`
	Place     string        `json:"place,omitempty"` // that served it
	Digest    digest.Digest `json:"digest,omitempty"`
	MediaType string        `json:"mediaType,omitempty"`
	Platforms []string      `json:"platforms,omitempty"` // of an index: those that were looked at
	Tried     []Try         `json:"tried,omitempty"`     // places before it that did not give it
	OK        bool          `json:"ok"`                  // nodes get it

	offers   []string // the platforms that it is for; none: not known
	picked   []picked // the manifests that nodes of workloads pick
	findings []Finding
	told     []string // what findings of workloads say of it
	needed   bool     // the cluster asks for it by this name, as catalogs and releases do
}

// picked is a manifest that nodes of an architecture pick.
type picked struct {
	arch   string
	digest digest.Digest
}

// Findings are what is wrong with the image.
func (i *Image) Findings() []Finding { return i.findings }

// tells reports whether findings of workloads say what a finding of the image says.
func (i *Image) tells(f Finding) bool {
	return slices.ContainsFunc(i.told, func(said string) bool { return strings.Contains(f.Wrong, said) })
}

// Report is the result.
type Report struct {
	Mirror     string    `json:"mirror,omitempty"`
	Offline    bool      `json:"offline,omitempty"` // the mirror was not asked
	Depth      Depth     `json:"depth"`
	Fails      int       `json:"fails"`   // findings by which something would fail, or may
	Unknown    int       `json:"unknown"` // those of them by which nobody knows
	Findings   []Finding `json:"findings"`
	Images     []*Image  `json:"images"`
	Rules      []string  `json:"rules,omitempty"`      // sources that have rules
	OtherHosts []string  `json:"otherHosts,omitempty"` // that were asked besides the places of the rules
	Notes      []string  `json:"notes,omitempty"`      // what is not known
	Outside    []string  `json:"outside"`              // what this check says nothing of
	Cluster    *Audit    `json:"cluster,omitempty"`    // nil: nothing of the cluster was given
}

// outside is what pulls otherwise than nodes do, or is not in the files.
func outside() []string {
	return []string{
		"importer pods (CDI: DataImportCron, DataVolume) pull by themselves: they read neither the rules of nodes nor the pull secret",
		"imports of ImageStreams are done by the OpenShift API server, with credentials of the namespace",
		"builds pull in their pods, with credentials of the namespace",
		"authorities that nodes trust for other reasons (the cluster's proxy, the machine image): here those of this host count",
		"a mirror that fetches what it lacks (a proxy cache) answers for its source until it is cut off itself: images that it fetched while it was asked may be missing later; cut its own way out first",
		"images that a node has already are not pulled again, until they are removed there",
	}
}

func (r *Report) add(list ...Finding) { r.Findings = append(r.Findings, list...) }

// finish sorts and counts.
func (r *Report) finish() {
	for _, img := range r.Images {
		img.OK = img.Place != "" && !slices.ContainsFunc(img.findings, func(f Finding) bool { return f.Fails })
		for _, f := range img.findings {
			if f.scope == "" && !img.tells(f) {
				r.add(f)
			}
		}
	}
	r.add(refusedNames(r.Images)...)
	slices.SortStableFunc(r.Images, func(a, b *Image) int { return cmp.Compare(a.Image, b.Image) })
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		if a.Fails != b.Fails {
			if a.Fails {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Object, b.Object), cmp.Compare(a.Image, b.Image), cmp.Compare(a.Wrong, b.Wrong))
	})
	r.Fails, r.Unknown = 0, 0
	for _, f := range r.Findings {
		if f.Fails {
			r.Fails++
		}
		if f.Fails && (f.Kind == Unknown || f.Kind == Unread) {
			r.Unknown++
		}
	}
}

// FailsError says that something would fail.
type FailsError struct {
	Fails, Unknown, Images int
	First                  Finding
}

// said says how much would fail, and of how much nobody knows: "2 things would fail, and 1 is not known".
func said(fails, unknown int) string {
	known := text.Count(fails-unknown, "thing", "things") + " would fail"
	switch {
	case unknown == 0:
		return known
	case unknown == fails:
		return text.Count(unknown, "thing is", "things are") + " not known"
	}
	return known + ", and " + text.Count(unknown, "is", "are") + " not known"
}

func (e *FailsError) Error() string {
	what := e.First.Image
	if e.First.Object != "" {
		what = strings.TrimSpace(e.First.Object + " " + what)
	}
	return fmt.Sprintf("rehearse the cut: %s, such as %s: %s", said(e.Fails, e.Unknown), cmp.Or(what, string(e.First.Kind)), e.First.Wrong)
}

// Hint says what to do now.
func (e *FailsError) Hint() string { return e.First.Do }

// Permanent reports that the same mirror gives the same result.
func (e *FailsError) Permanent() bool { return true }

// UnreachableError says that no place of a mirror could be reached, so nothing is known.
type UnreachableError struct {
	Place string
	Why   string
}

func (e *UnreachableError) Error() string {
	return "reach the mirror as nodes do: " + e.Place + ": " + e.Why
}

// Hint says what to do now.
func (e *UnreachableError) Hint() string {
	return "run this where the mirror can be reached by the name that nodes use; --offline asks receipts and bundles alone"
}

// Permanent is false: it may come back.
func (e *UnreachableError) Permanent() bool { return false }
