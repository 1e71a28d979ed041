package prepare

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// refusal is what a registry refused to say of what is attached to a manifest.
type refusal struct {
	node oci.Node
	repo oci.Ref
	why  *transport.UnknownError
}

// EarlierError says that a registry refuses to say whether something is there that an
// earlier bundle of this host carried.
type EarlierError struct{ Err *transport.UnknownError }

func (e *EarlierError) Error() string {
	return "an earlier bundle carried it, and now " + e.Err.Error()
}

func (e *EarlierError) Unwrap() error { return e.Err }

// RequiredError says that a registry refuses to say whether there is a signature that
// nodes require.
type RequiredError struct{ Err *transport.UnknownError }

func (e *RequiredError) Error() string {
	return "nodes of OpenShift 4.21 and later require this signature, and " + e.Err.Error()
}

func (e *RequiredError) Unwrap() error { return e.Err }

// noteUnknown notes with the images what their registries refused to say, and warns of it
// once a repository. It is a gap where a signature is required, or was carried before.
func (s *Set) noteUnknown(list []refusal) error {
	var errs []error
	sorts := map[oci.Ref][]string{}
	first := map[oci.Ref]*transport.UnknownError{}
	var repos []oci.Ref
	for _, r := range list {
		if err := s.grave(r); err != nil {
			errs = append(errs, unlistedError(s.owners(r.node, r.repo), r.node, r.repo, err))
			continue
		}
		for _, i := range r.node.Images {
			if img := &s.Graph.Images[i]; img.Source.Repo() == r.repo && !slices.Contains(img.Unknown, r.why.Sort) {
				img.Unknown = append(slices.Clone(img.Unknown), r.why.Sort)
				slices.Sort(img.Unknown)
			}
		}
		if first[r.repo] == nil {
			first[r.repo] = r.why
			repos = append(repos, r.repo)
		}
		if !slices.Contains(sorts[r.repo], r.why.Sort) {
			sorts[r.repo] = append(sorts[r.repo], r.why.Sort)
		}
	}
	for _, repo := range repos {
		if s.warned[repo] {
			continue
		}
		s.warned[repo] = true
		answer, how := "", "refuses to say"
		if e, ok := errors.AsType[*transport.RegistryError](first[repo]); ok {
			answer = fmt.Sprintf("; it answered %d", e.Status)
			switch {
			case e.Status == 0:
				answer, how = "; "+e.Cause(), "does not say"
			case e.Status >= 500:
				how = "fails to say"
			}
		}
		s.Warn("signatures: %s gives its images, and %s whether anything is attached to them (%s%s); they are carried without, and it is asked again next time",
			repo.Name(), how, strings.Join(sorts[repo], ", "), answer)
	}
	return errors.Join(errs...)
}

// grave is an error if what is not known is required, or was carried before.
func (s *Set) grave(r refusal) error {
	if r.why.Sort == "sig" {
		for _, img := range s.Graph.Of(r.node) {
			if img.Root.Digest == r.node.Descriptor.Digest && manifests.NeedsSignature(img) {
				return &RequiredError{r.why}
			}
		}
	}
	if s.carriedBefore(attachedKey(r.repo.WithDigest(r.node.Descriptor.Digest), r.why.Sort)) {
		return &EarlierError{r.why}
	}
	return nil
}

// carriedBefore reports whether a bundle that this host began has attachments.
func (s *Set) carriedBefore(key string) bool {
	if s.earlier == nil {
		s.earlier = map[string]bool{}
		if s.Journals == "" {
			return false
		}
		for inv := range bundle.Inventories(s.Journals) {
			for _, img := range inv.Images {
				if img.Subject != "" {
					s.earlier[attachedKey(img.Source.WithDigest(img.Subject), sortOf(img))] = true
				}
			}
		}
	}
	return s.earlier[key]
}

func attachedKey(subject oci.Ref, sort string) string { return fmt.Sprintf("%s %s", subject, sort) }

// sortOf is the sort of an attachment: its tag's end, or that it is a referrer.
func sortOf(img oci.Image) string {
	for _, tag := range img.Tags {
		if _, end, ok := strings.Cut(tag, "."); ok && strings.HasPrefix(tag, "sha256-") {
			return end
		}
	}
	return oci.UnknownReferrers
}
