package sigstore

import (
	"errors"
	"fmt"
	"strings"

	"github.com/distribution/reference"

	"github.com/satchel-airgap/satchel/oci"
)

// identity says which name a signature must give the image (openshift/api, config/v1,
// PolicyIdentity; containers/image, policy_reference_match.go).
type identity struct {
	MatchPolicy     string `json:"matchPolicy"`
	ExactRepository *struct {
		Repository string `json:"repository"`
	} `json:"exactRepository"`
	RemapIdentity *struct {
		Prefix       string `json:"prefix"`
		SignedPrefix string `json:"signedPrefix"`
	} `json:"remapIdentity"`
}

// Values of matchPolicy; none is byDigest.
const (
	byDigest   = "MatchRepoDigestOrExact"
	repository = "MatchRepository"
	exactly    = "ExactRepository"
	remapped   = "RemapIdentity"
)

// check finds what nodes could make nothing of.
func (i identity) check() error {
	switch {
	case i.MatchPolicy == "" || i.MatchPolicy == byDigest || i.MatchPolicy == repository:
		return nil
	case i.MatchPolicy == exactly && i.ExactRepository != nil:
		_, err := reference.ParseNormalizedNamed(i.ExactRepository.Repository)
		return err
	case i.MatchPolicy == remapped && i.RemapIdentity != nil && i.RemapIdentity.Prefix != "":
		return nil
	}
	return fmt.Errorf("its matchPolicy %.64q is not known", i.MatchPolicy)
}

// accepts reports whether a signature may call the image, which a pod names so, signed.
func (i identity) accepts(pulled oci.Ref, signed string) error {
	got, err := reference.ParseNormalizedNamed(signed)
	if err != nil {
		return fmt.Errorf("it names the image %.200q: %w", signed, err)
	}
	want, err := named(pulled)
	if err != nil {
		return err
	}
	ok := false
	switch i.MatchPolicy {
	case repository:
		ok = got.Name() == want.Name()
	case exactly:
		want, err = reference.ParseNormalizedNamed(i.ExactRepository.Repository)
		ok = err == nil && got.Name() == want.Name()
	case remapped:
		want, err = i.remap(want)
		ok = err == nil && sameOrExact(want, got)
	default:
		ok = sameOrExact(want, got)
	}
	if err != nil {
		return err
	}
	if !ok && got.Name() == want.Name() {
		return fmt.Errorf("it is for %.200q, and nodes want a tag or digest with it that fits", signed)
	}
	if !ok {
		return fmt.Errorf("it is for %.200q, and nodes want one for %s", signed, reference.TrimNamed(want))
	}
	return nil
}

// named is what nodes compare: by digest if there is one, else by tag.
func named(ref oci.Ref) (reference.Named, error) {
	if ref.Digest != "" {
		return reference.ParseNamed(ref.WithDigest(ref.Digest).String())
	}
	if ref.Tag == "" {
		return nil, errors.New("the image is named without tag and digest")
	}
	return reference.ParseNamed(ref.WithTag(ref.Tag).String())
}

// sameOrExact is MatchRepoDigestOrExact: of an image that is named by digest, only the
// repository counts, as the digest is compared anyway. A bare repository is never signed.
func sameOrExact(want, got reference.Named) bool {
	if reference.IsNameOnly(got) {
		return false
	}
	if _, tagged := want.(reference.NamedTagged); tagged {
		return got.String() == want.String()
	}
	return got.Name() == want.Name()
}

// remap replaces the beginning of a name, at a slash.
func (i identity) remap(ref reference.Named) (reference.Named, error) {
	from, to := i.RemapIdentity.Prefix, i.RemapIdentity.SignedPrefix
	if name := ref.Name(); name != from && !strings.HasPrefix(name, from+"/") {
		return ref, nil
	}
	return reference.ParseNamed(strings.Replace(ref.String(), from, to, 1))
}
