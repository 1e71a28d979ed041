package seal

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	maxNeeds     = 32
	needPattern  = `^[a-z0-9][a-z0-9-]{0,31}$`
	buildPattern = `^[0-9A-Za-z][0-9A-Za-z.+-]{0,63}$`
)

var (
	needName  = regexp.MustCompile(needPattern)
	buildName = regexp.MustCompile(buildPattern)
)

// The features that this version writes.
const (
	Signatures = "signatures" // of a bundle that has signature files
	Baseline   = "baseline"   // of one that does not carry all that its images need
	Drives     = "drives"     // of one on several drives
	Parities   = "parity"     // of one that has parity files
	Across     = "across"     // of one that has parity files of segments on several drives
	Plain      = "plain"      // of one that is not encrypted
	Supplement = "supplement" // of one that has what another one has lost
)

// features are what this version can read beyond version 1 of the format.
func features() []string {
	return []string{Across, Baseline, Drives, Parities, Plain, Signatures, Supplement}
}

// Needs is what a reader must know to read a bundle, beyond version 1 of the
// format. It stands in bundle.json, extras.json and the header of the index.
type Needs struct {
	Needs    []string `json:"needs,omitempty"`    // names of features, sorted, each once
	PackedBy string   `json:"packedBy,omitempty"` // the version of satchel that packed it
}

// SignedBy is what a bundle with signature files needs, packed by this version of satchel.
func SignedBy(version string) Needs { return Uses(version, Signatures) }

// Uses is what a bundle needs that uses these features, packed by this version of satchel,
// which is left out if it breaks the grammar.
func Uses(version string, features ...string) Needs {
	if len(features) == 0 {
		return Needs{}
	}
	if !buildName.MatchString(version) {
		version = ""
	}
	return Needs{Needs: slices.Sorted(slices.Values(features)), PackedBy: version}
}

// Has reports whether a feature is among them.
func (n Needs) Has(feature string) bool { return slices.Contains(n.Needs, feature) }

// NeedsError says which features a bundle needs that this version lacks.
type NeedsError struct {
	Features []string
	PackedBy string // the version of satchel that packed it, may be empty
}

func (e *NeedsError) Error() string {
	by := "a newer satchel"
	if e.PackedBy != "" {
		by = "satchel " + e.PackedBy
	}
	what := "the feature " + text.And(e.Features)
	if len(e.Features) > 1 {
		what = "the features " + text.And(e.Features)
	}
	return fmt.Sprintf("it needs %s, which this satchel lacks; packed by %s: use that or newer", what, by)
}

// Check reports names that break the grammar as [ErrFormat], and features that
// this version lacks as a *[NeedsError].
func (n Needs) Check() error {
	if len(n.Needs) > maxNeeds {
		return fmt.Errorf("%w: it needs %d features, at most %d are allowed", ErrFormat, len(n.Needs), maxNeeds)
	}
	for i, name := range n.Needs {
		if !needName.MatchString(name) || i > 0 && name <= n.Needs[i-1] {
			return fmt.Errorf("%w: needs %.64q", ErrFormat, name)
		}
	}
	if n.PackedBy != "" && !buildName.MatchString(n.PackedBy) {
		return fmt.Errorf("%w: packed by %.64q", ErrFormat, n.PackedBy)
	}
	lacking := slices.DeleteFunc(slices.Clone(n.Needs), func(name string) bool { return slices.Contains(features(), name) })
	if len(lacking) > 0 {
		return &NeedsError{Features: lacking, PackedBy: n.PackedBy}
	}
	return nil
}

// checkFiles checks a list of signature files of a seal, and of key files if there may be any,
// in name order. Signature files are there only if the feature is, and no key files where nothing
// is encrypted.
func (n Needs) checkFiles(files []File, sealed string, keys bool) error {
	last := ""
	for _, f := range files {
		of, _, signed := ParseSignature(f.Name)
		ok := signed && of == sealed && n.Has(Signatures) ||
			keys && (KeyNumber(f.Name) > 0 && !n.Has(Plain) || IsParity(f.Name) && n.Has(Parities) || IsOther(f.Name) && n.Has(Across))
		if !ok || f.Name <= last {
			return fmt.Errorf("%w: name %.64q", ErrFormat, f.Name)
		}
		if err := f.check(); err != nil {
			return err
		}
		last = f.Name
	}
	return nil
}

// checkNeeds looks at nothing but what a file needs: all else in it may have a
// meaning that this version does not know.
func checkNeeds(b []byte, version string) error {
	var head struct {
		Version string `json:"satchel"`
		Needs
	}
	if err := unmarshal(b, &head); err != nil {
		return err
	}
	if head.Version != version {
		return nil // the caller reports it
	}
	return head.Check()
}
