package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/probe"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

// ProbeTag is the tag that [Mirror.Probe] uses. Where the registry does not let
// it be removed, it stays; it names an image of no content, always the same.
const ProbeTag = "satchel-probe"

// Problem is why a repository cannot be written as a bundle needs it.
type Problem string

// The problems that a probe distinguishes.
const (
	ProblemCredentials Problem = "the registry does not let this host in"
	ProblemDenied      Problem = "a push is not allowed there"
	ProblemReadOnly    Problem = "the registry is read-only"
	ProblemProject     Problem = "its project or repository does not exist and is not created by a push"
	ProblemDepth       Problem = "the registry seems not to allow so many path components"
	ProblemTag         Problem = "the registry takes manifests, and refuses the tag " + ProbeTag
	ProblemUntagged    Problem = "the registry takes no manifest without a tag"
	ProblemSparse      Problem = "the registry refuses an index with missing platforms (a sparse index)"
	ProblemFull        Problem = "the registry has no space left"
	ProblemQuota       Problem = "a quota of the registry is used up"
	ProblemTLS         Problem = "there is no TLS connection that can be trusted"
	ProblemUnreachable Problem = "the registry cannot be reached"
	ProblemChanges     Problem = "the registry does not keep manifests as they are pushed"
	ProblemRead        Problem = "the registry takes a push, and refuses to give what was pushed"
	ProblemAccept      Problem = "the registry does not give manifests to nodes"
	ProblemDrops       Problem = "the registry accepts a push and does not have what was pushed"
	ProblemKind        Problem = "the registry takes manifests, and refuses those of this kind"
	ProblemAttachment  Problem = "the registry takes images and refuses what is attached to them (signatures, attestations, SBOMs)"
	ProblemOther       Problem = "the registry refuses a push"
)

// ProbeError says that a repository of the mirror cannot be written.
type ProbeError struct {
	Repo    oci.Ref
	Problem Problem
	Err     error // what the registry answered
}

func (e *ProbeError) Error() string {
	//lint:ignore errorlint what wraps the answer has more to say
	if answer, ok := e.Err.(*RegistryError); ok && answer.Everywhere() { // what was pushed does not matter
		return fmt.Sprintf("%s: %s: %s: %s", e.Repo.Name(), e.Problem, answer.Op, answer.Cause())
	}
	return fmt.Sprintf("%s: %s: %v", e.Repo.Name(), e.Problem, e.Err)
}

func (e *ProbeError) Unwrap() error { return e.Err }

// Hint says what to do now, "" where what the registry answered says more.
func (p Problem) Hint() string { return problemHints[p] }

var problemHints = map[Problem]string{
	ProblemCredentials: "check that this user may push there, that the project exists (Harbor, Quay and others answer so where it does not), and that registry and repository are the ones that you mean",
	ProblemDenied:      "give this user the right to push (and, to clean up after a probe, to delete), or log in as one who has it (podman login)",
	ProblemReadOnly:    "the registry is read-only or in maintenance: have it accept pushes, then run the same command again",
	ProblemProject:     "create the project or organization in the registry first, or push into an existing one",
	ProblemDepth:       "limit the number of path components to what the registry allows, such as 2, in every unpack into this mirror",
	ProblemTag:         "a rule of the registry for names of tags refuses the tag of satchel's probe: allow " + ProbeTag + " there, and the tags of the images (and sha256-*, of signatures), or end the rule for these repositories",
	ProblemUntagged:    "a mirror must store images by digest; the registry inside an OpenShift cluster, for one, does not and cannot be a mirror",
	ProblemSparse:      "have the registry accept an index whose platforms are not all present (distribution 3: validation.manifests.indexes.platforms: none; Quay: FEATURE_SPARSE_INDEX: true; docker-registry 2.8 and Harbor cannot), or remove platforms from the configuration and pack again",
	ProblemChanges:     "nodes pull by digest, so a mirror must keep manifests byte for byte: have the registry, or the proxy in front of it, leave them as they are pushed",
	ProblemRead:        "give this user the right to pull from there too, or have the registry, or the proxy in front of it, answer such requests: what was pushed is looked at, and nodes must get it",
	ProblemDrops:       "look into the registry's log; if garbage was collected there, restart the registry and empty the caches in front of it",
	ProblemKind:        "have the registry accept manifests of this kind (Quay: FEATURE_GENERAL_OCI_SUPPORT, ALLOWED_OCI_ARTIFACT_TYPES and IGNORE_UNKNOWN_MEDIATYPES), or leave these images out and pack again",
	ProblemAttachment:  "have the registry accept signatures, attestations and SBOMs (OCI artifacts, and tags such as sha256-*.sig), or leave out those that it refuses",
	ProblemFull:        "make room on the registry's disk and run the same command again",
}

// Hint says what to do now, by the problem, else by what the registry answered. Of
// credentials the answer knows more: whether there are any, and whether they were sent.
func (e *ProbeError) Hint() string {
	h := e.Problem.Hint()
	var blob *BlobError
	var manifest *ManifestError
	switch { // they know more
	case errors.As(e.Err, &blob) && blob.Fault != "":
		return blob.Hint()
	case errors.As(e.Err, &manifest) && (manifest.Status != 0 || manifest.unaccepted):
		return manifest.Hint()
	}
	var answer *RegistryError
	if !errors.As(e.Err, &answer) {
		return h
	}
	switch answer.Trouble() {
	case TroubleReadOnly:
		return answer.Hint()
	case TroubleUnauthorized, TroubleForbidden, TroublePassword, TroubleSilent, TroubleScheme:
		if e.Problem == ProblemCredentials || e.Problem == ProblemDenied {
			return answer.Hint()
		}
	}
	return cmp.Or(h, answer.Hint())
}

// Permanent reports whether trying again would give the same answer, as far as is known.
func (e *ProbeError) Permanent() bool { return refuses(e.Err) }

// Probe pushes a tiny blob and manifest, by digest and by tag, into every
// repository that is about to be written, and an index that names what sparse ones
// will lack there, see [Mirror.Sparse]; then it removes them where it may. All that
// is wrong is reported together: the error joins a *[ProbeError] for each
// repository, by name.
func (m *Mirror) Probe(ctx context.Context, repos []oci.Ref, sparse map[oci.Ref][]oci.Descriptor) error {
	return m.probeEach(ctx, repos, func(ref oci.Ref) (*probe.Content, error) { return probe.New(probe.Base{}, sparse[ref]) })
}

func (m *Mirror) probeEach(ctx context.Context, repos []oci.Ref, content func(oci.Ref) (*probe.Content, error)) error {
	var mu sync.Mutex
	var found []*ProbeError
	good := map[string]bool{} // takes something
	var wait patience
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(m.parallel)
	for _, ref := range repos {
		g.Go(func() error {
			c, err := content(ref)
			if err == nil {
				err = m.probe(ctx, ref, c, &wait)
			}
			var p *ProbeError
			if err != nil && (ctx.Err() != nil || !errors.As(err, &p)) {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if p != nil {
				found = append(found, p)
			}
			good[ref.Repository] = p == nil || p.Problem == ProblemUntagged || p.Problem == ProblemSparse
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	blameDepth(found, good)
	slices.SortFunc(found, func(a, b *ProbeError) int { return cmp.Compare(a.Repo.Name(), b.Repo.Name()) })
	errs := make([]error, len(found))
	for i, p := range found {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// Repos lists the repositories that what is missing will be written into.
func (m *Mirror) Repos(missing *Missing) []oci.Ref {
	var list []oci.Ref
	for _, img := range missing.Images {
		list = append(list, m.target.Repo(img))
	}
	for _, d := range missing.Blobs {
		list = append(list, d.Repos...)
	}
	slices.SortFunc(list, func(a, b oci.Ref) int { return cmp.Compare(a.Repository, b.Repository) })
	return slices.Compact(list)
}

// Sparse lists what the indexes of the images name and do not bring, by the
// mirror's repository, each manifest once and in a steady order: its kind, digest,
// size and platform. Some registries demand certain platforms, or have what is left
// out already, so that it matters which they are. src gives the manifests.
func (m *Mirror) Sparse(ctx context.Context, src oci.Source, images []oci.Image) (map[oci.Ref][]oci.Descriptor, error) {
	return probe.Sparse(ctx, src, m.target, images)
}

// blameDepth finds what registries with a limit of depth hide behind a 401 or a
// 404: a repository is refused while a shallower one of the same project is taken.
func blameDepth(found []*ProbeError, good map[string]bool) {
	for _, p := range found {
		switch p.Problem {
		case ProblemDenied, ProblemProject, ProblemCredentials, ProblemOther:
		default:
			continue
		}
		parts := strings.Split(p.Repo.Repository, "/")
		for name, ok := range good {
			other := strings.Split(name, "/")
			if ok && other[0] == parts[0] && len(other) < len(parts) && len(parts) > 2 {
				p.Problem = ProblemDepth
				break
			}
		}
	}
}

// classify names the problem behind what a registry answered to a push.
func classify(err error) Problem {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return ProblemOther
	}
	switch answer.Trouble() {
	case TroubleFull:
		return ProblemFull
	case TroubleReadOnly:
		return ProblemReadOnly
	case TroubleQuota:
		return ProblemQuota
	case TroubleAuthority, TroubleExpired, TroubleHostName, TroubleTLS, TroublePlainHTTP:
		return ProblemTLS
	case TroubleRefused, TroubleName, TroubleLost, TroubleProxy:
		return ProblemUnreachable
	}
	text := strings.ToLower(answer.Code + " " + answer.Message)
	switch {
	case strings.Contains(text, "no space left"), strings.Contains(text, "quota"):
		return ProblemFull
	case answer.Status == http.StatusNotFound && !answer.lost, strings.Contains(text, "name_unknown"):
		return ProblemProject
	case answer.Status == http.StatusUnauthorized:
		return ProblemCredentials
	case answer.Status == http.StatusMethodNotAllowed:
		return ProblemReadOnly
	case answer.Status == http.StatusForbidden:
		return ProblemDenied
	}
	return ProblemOther
}

// refuses reports whether a registry answered that something is not available,
// and would answer the same again.
func refuses(err error) bool {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return false
	}
	return reply.Permanent(answer.Status)
}
