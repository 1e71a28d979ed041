package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Why is the reason for which a container would not start again.
type Why string

// The reasons.
const (
	Missing   Why = "missing"      // rules lead somewhere, and no place has the image
	ByTag     Why = "byTag"        // it is named by a tag, and only rules for digests cover it
	Unsigned  Why = "unsigned"     // a policy of the cluster demands a signature that is not there
	NoRule    Why = "noRule"       // nodes would ask the source, which is gone
	WrongArch Why = "architecture" // what is there is for other nodes
	Unnamed   Why = "unnamed"      // nobody knows which image is meant
)

// Rules say where nodes look for the images of a repository, HOST[:PORT]/REPOSITORY: for those that
// are named by a digest, and by a tag. The repository itself is among the places where nodes may ask it.
type Rules interface {
	Pull(repository string) []string
	PullTag(repository string) []string
}

// Try is a place where nodes look for an image and that does not have it.
type Try struct {
	Place string `json:"place"`
	Why   string `json:"why"`
}

// Answer is what nodes find of an image.
type Answer struct {
	Served string        // the repository that has it, HOST[:PORT]/REPOSITORY; "" for none
	Digest digest.Digest // of what it has under the name
	Tried  []Try         // the places before it, or all
	// Wrong is what keeps nodes from it, "" for nothing, and Why that in a word of the caller's; "" is [Missing].
	Wrong string
	Why   Why
	Do    string // what to do about it; "" where the caller says nothing
	// Platforms are those that it is for, such as linux/amd64; none: not known.
	Platforms []string
	// Manifests are those that nodes pick, one for each architecture; none: not known.
	Manifests []Manifest
}

// Manifest is one that nodes of an architecture run.
type Manifest struct {
	Digest digest.Digest
	Arch   string // of the nodes, as Go writes it
	// Wrong is what keeps these nodes from it, as in an [Answer].
	Wrong string
	Why   Why
	Do    string
}

// pickedBy are the manifests that nodes of some architectures pick; all where those are not known.
func (a Answer) pickedBy(archs string) []Manifest {
	if archs == "" {
		return a.Manifests
	}
	list := strings.Split(archs, ",")
	return slices.DeleteFunc(slices.Clone(a.Manifests), func(m Manifest) bool { return m.Arch != "" && !slices.Contains(list, m.Arch) })
}

// Mirror answers as nodes ask.
type Mirror struct {
	// Find looks for an image at the places to which rules lead, and never at its source. An error
	// says that nobody knows; an image that is nowhere is none.
	// archs are the architectures of the nodes, as Go writes them, that use it; none: not known.
	Find func(ctx context.Context, image oci.Ref, archs, used []string) (Answer, error)
	// Signatures gives those that a repository has for a manifest: none, or sigstore.ErrAbsent; nil: they
	// cannot be looked at.
	Signatures func(ctx context.Context, repository oci.Ref, manifest digest.Digest) ([]sigstore.Signature, error)
}

// Question is what [Workloads] is to judge.
type Question struct {
	Cluster *cluster.State
	Rules   Rules
	Mirror  Mirror
	// Inside tells which registries, HOST[:PORT], nodes reach after the cut too, the mirror's among
	// them: an image of theirs needs no rule.
	Inside   func(registry string) bool
	Policies []*sigstore.Policy // that nodes have
	Parallel int                // how many images are asked for at a time
}

// Workload is a container that would not start again, on some node at least.
type Workload struct {
	Namespace string `json:"namespace"`
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Pod       string `json:"pod,omitempty"`  // the first of its pods; none where it has no pod now
	Pods      int    `json:"pods,omitempty"` // that run the container
	Container string `json:"container,omitempty"`
	Image     string `json:"image"` // as it is written there
	Why       Why    `json:"why"`
	Detail    string `json:"detail"`
	Runs      string `json:"runs,omitempty"` // the digest that the pod has, as far as the cluster knows
	// Stays says that it starts again on the node where it is now, whose copy of the image is used, and
	// on no other node.
	Stays  bool   `json:"stays,omitempty"`
	Pull   string `json:"pullPolicy,omitempty"`
	Policy string `json:"policy,omitempty"` // the object that demands a signature
	Tried  []Try  `json:"tried,omitempty"`

	Ref oci.Ref `json:"-"` // the image as nodes ask for it; zero where it is not known
	Do  string  `json:"-"` // what the answer says to do about it
}

// String names the workload as oc takes it, and the container.
func (w Workload) String() string {
	return strings.TrimSpace(w.Namespace + "/" + strings.ToLower(w.Kind) + "/" + w.Name + " " + w.Container)
}

// Unjudged is an image of which nobody knows what nodes would find.
type Unjudged struct {
	Image string `json:"image"`
	Used  string `json:"used"` // the first workload
	Why   string `json:"why"`
}

// Report is what [Workloads] found.
type Report struct {
	Findings   []Workload `json:"findings"`
	Unjudged   []Unjudged `json:"unjudged,omitempty"`
	Containers int        `json:"containers"`            // that were judged
	Images     int        `json:"images"`                // different ones among them
	Internal   int        `json:"internal"`              // containers whose image the cluster's own registry has
	Through    int        `json:"through,omitempty"`     // containers whose image that registry gets from outside where it has not stored it
	Never      int        `json:"neverPulled,omitempty"` // containers that run, and whose image nobody pulls: their pull policy is Never
	Vague      []string   `json:"byParameter,omitempty"` // workloads that name an image by a parameter, which nobody has set yet
	Windows    int        `json:"windows,omitempty"`     // containers on nodes of Windows, which were not judged
	Left       int        `json:"left,omitempty"`
	// Secrets are images that are found, and whose pods have pull secrets of their own: mirrors never get
	// those, so the node's global pull secret must do.
	Secrets []string `json:"podSecrets,omitempty"`
	Notes   []string `json:"notes,omitempty"`
	Unknown []string `json:"unknown,omitempty"` // what could not be judged, and so may be wrong
}

// asked is one image, and what was found.
type asked struct {
	ref    oci.Ref
	first  cluster.Start // of those that use it
	archs  []string
	used   []string // some of the workloads
	answer Answer
	err    error
}

// Workloads says which containers of a cluster would not start again. Each different image is asked
// for once. The error is that of a context which was cancelled.
func Workloads(ctx context.Context, q Question) (*Report, error) {
	r := &Report{Left: q.Cluster.StartsLeft}
	j := judging{Question: q, report: r, images: map[oci.Ref]*asked{}, policies: sigstore.ByNamespace(q.Policies)}
	starts := j.sort()
	r.Containers, r.Images = len(starts), len(j.images)
	if err := j.find(ctx); err != nil {
		return nil, err
	}
	for _, s := range starts {
		if err := j.judge(ctx, s); err != nil {
			return nil, err
		}
	}
	j.end()
	return r, nil
}

// judging is one call of [Workloads].
type judging struct {
	Question
	report   *Report
	images   map[oci.Ref]*asked
	policies map[string][]*sigstore.Policy // by namespace
	signed   map[signedKey]error           // what was found of signatures
	secrets  []string
}

// container is a start with the image that a node would ask for.
type container struct {
	cluster.Start
	ref   oci.Ref
	wrong error // the name of the image is none
}

// sort takes the containers that are judged: not those of the cluster's own registry, of owners not what
// their pods run as well, not those of Windows nodes, and not the pods of catalogs, which OLM makes anew from the CatalogSource:
// [Subscriptions] judges those.
func (j *judging) sort() (list []container) {
	type same struct{ namespace, kind, name, container, image string }
	running := map[same]bool{}
	for _, s := range j.Cluster.Starts {
		if s.Pods > 0 {
			running[same{s.Namespace, s.Kind, s.Name, s.Container, s.Image}] = true
		}
	}
	for _, s := range j.Cluster.Starts {
		if s.Kind == "CatalogSource" {
			continue
		}
		if _, signed := j.policies[s.Namespace]; s.Pull == "Never" && s.ID != "" && (!signed || s.Namespace == "") { // where signatures count for what is on the node, it is judged
			j.report.Never += max(1, s.Pods)
			continue
		}
		if s.Windows {
			j.report.Windows += max(1, s.Pods)
			continue
		}
		switch {
		case s.Through != "":
			j.report.Through += max(1, s.Pods)
			continue
		case s.Internal:
			j.report.Internal += max(1, s.Pods)
			continue
		case s.Pods == 0 && vague(s.Image):
			j.report.Vague = append(j.report.Vague, s.Workload())
			continue
		}
		if s.Pods == 0 && running[same{s.Namespace, s.Kind, s.Name, s.Container, s.Image}] {
			continue
		}
		c := container{Start: s}
		if c.ref, c.wrong = named(s); c.wrong == nil {
			j.use(c)
		}
		list = append(list, c)
	}
	return list
}

// vague reports whether the name of an image in a template has a parameter in it.
func vague(image string) bool {
	return strings.Contains(image, "$(") || strings.Contains(image, "${") || strings.Contains(image, "{{")
}

// mostUsed is how many workloads are named that use an image.
const mostUsed = 3

// use notes that a container needs an image.
func (j *judging) use(c container) {
	one := j.images[c.ref]
	if one == nil {
		one = &asked{ref: c.ref, first: c.Start}
		j.images[c.ref] = one
	}
	for _, arch := range strings.Split(c.Archs, ",") {
		if arch != "" && !slices.Contains(one.archs, arch) {
			one.archs = append(one.archs, arch)
		}
	}
	if name := c.Workload(); len(one.used) < mostUsed && !slices.Contains(one.used, name) {
		one.used = append(one.used, name)
	}
}

// named is the image as nodes ask for it. A short name is looked for at several hosts: the one that
// the running pod got it from counts.
func named(s cluster.Start) (oci.Ref, error) {
	id := s.ID
	if _, after, ok := strings.Cut(id, "://"); ok { // as Docker wrote it
		id = after
	}
	got, err := oci.ParseRef(id)
	if err != nil {
		got = oci.Ref{}
	}
	_, canonical := reference.ParseNamed(s.Image)
	switch {
	case s.Image == "" || strings.HasPrefix(s.Image, "sha256:"):
		if got.Digest == "" {
			return oci.Ref{}, errors.New("it is named by the digest of its config alone")
		}
		return got.WithDigest(got.Digest), nil
	case errors.Is(canonical, reference.ErrNameNotCanonical) && got.Registry != "":
		short, err := ask.ParseNodeRef(s.Image)
		if err != nil {
			return oci.Ref{}, err
		}
		short.Registry, short.Repository = got.Registry, got.Repository
		return short, nil
	}
	ref, err := ask.ParseNodeRef(s.Image)
	if err != nil {
		return oci.Ref{}, err
	}
	if ref.Digest != "" {
		return ref.WithDigest(ref.Digest), nil
	}
	return ref, nil
}

// places lists where nodes look for an image after the cut.
func (j *judging) places(ref oci.Ref) (list []string) {
	all := j.Rules.PullTag
	if ref.Digest != "" {
		all = j.Rules.Pull
	}
	for _, place := range all(ref.Name()) {
		host, _, _ := strings.Cut(place, "/")
		if place != ref.Name() || j.Inside(host) {
			list = append(list, place)
		}
	}
	return list
}

// find asks for the images that rules lead somewhere with.
func (j *judging) find(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, j.Parallel))
	for _, ref := range sortedRefs(j.images) {
		if len(j.places(ref)) == 0 {
			continue
		}
		one := j.images[ref]
		g.Go(func() error {
			one.answer, one.err = j.Mirror.Find(ctx, ref, one.archs, one.used)
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("ask for the images of the cluster: %w", err)
	}
	return nil
}

func sortedRefs(images map[oci.Ref]*asked) (list []oci.Ref) {
	for ref := range images {
		list = append(list, ref)
	}
	slices.SortFunc(list, func(a, b oci.Ref) int { return cmp.Compare(a.String(), b.String()) })
	return list
}

// judge says what of one container is wrong.
func (j *judging) judge(ctx context.Context, c container) error {
	if c.wrong != nil {
		j.add(c, Unnamed, c.wrong.Error(), "")
		//lint:ignore nilerr it is a finding
		return nil
	}
	one := j.images[c.ref]
	places := j.places(c.ref)
	switch {
	case len(places) == 0 && c.ref.Digest == "" && j.coveredByDigest(c.ref):
		j.add(c, ByTag, "only rules for digests cover "+c.ref.Name()+": nodes ask the source for a tag"+j.instead(c), "")
		return nil
	case len(places) == 0:
		j.add(c, NoRule, "no rule covers "+c.ref.Name()+": nodes ask "+c.ref.Registry+" itself", "")
		return nil
	case one.err != nil:
		//lint:ignore nilerr it is said of the image, once
		return nil
	case one.answer.Wrong != "":
		j.add(c, cmp.Or(one.answer.Why, Missing), one.answer.Wrong, "")
		j.advise(one.answer.Do)
		return nil
	case one.answer.Served == "":
		j.add(c, cmp.Or(one.answer.Why, Missing), tried(one.answer.Tried, places), "")
		j.advise(one.answer.Do)
		return nil
	}
	if why := wrongArch(c.Archs, one.answer.Platforms); why != "" {
		j.add(c, WrongArch, why+" at "+one.answer.Served, "")
		return nil
	}
	for _, m := range one.answer.pickedBy(c.Archs) {
		if m.Wrong != "" {
			j.add(c, cmp.Or(m.Why, Missing), m.Wrong, "")
			j.advise(m.Do)
			return nil
		}
	}
	if c.Secrets != "" {
		j.secrets = append(j.secrets, c.ref.String())
	}
	return j.sign(ctx, c, one)
}

// coveredByDigest reports whether rules lead pulls by digest from the repository somewhere.
func (j *judging) coveredByDigest(ref oci.Ref) bool {
	return slices.ContainsFunc(j.Rules.Pull(ref.Name()), func(place string) bool { return place != ref.Name() })
}

// instead says by which name the same image would be found.
func (j *judging) instead(c container) string {
	if d := runs(c.Start); d != "" {
		return "; the pod runs " + c.ref.Name() + "@" + d
	}
	return ""
}

// runs is the digest that a pod has.
func runs(s cluster.Start) string {
	_, d, ok := strings.Cut(s.ID, "@")
	if !ok || digest.Digest(d).Validate() != nil {
		return ""
	}
	return d
}

// tried says where nodes look, and what they find there.
func tried(tries []Try, places []string) string {
	var parts []string
	for _, t := range tries {
		parts = append(parts, t.Place+": "+text.Cut(text.ASCII(t.Why), 200))
	}
	if len(parts) == 0 {
		return "not at " + text.Or(places)
	}
	return strings.Join(parts, "; ")
}

// wrongArch says which nodes an image is not for; "" where it is for all, or that is not known.
func wrongArch(archs string, has []string) string {
	if len(has) == 0 || archs == "" {
		return ""
	}
	var lacks []string
	for _, arch := range strings.Split(archs, ",") {
		if !slices.ContainsFunc(has, func(p string) bool { return p == "linux/"+arch || strings.HasPrefix(p, "linux/"+arch+"/") }) {
			lacks = append(lacks, arch)
		}
	}
	if len(lacks) == 0 {
		return ""
	}
	return fmt.Sprintf("its nodes are %s, and there is only %s", text.And(lacks), text.And(text.Sorted(has)))
}

// add notes a finding.
func (j *judging) add(c container, why Why, detail, policy string) {
	w := Workload{Namespace: c.Namespace, Kind: c.Kind, Name: c.Name, Pod: c.Pod, Pods: c.Pods, Container: c.Container, Image: c.Image,
		Why: why, Detail: detail, Runs: runs(c.Start), Pull: c.Pull, Policy: policy, Ref: c.ref}
	w.Image = cmp.Or(w.Image, c.ID)
	if one := j.images[c.ref]; one != nil {
		w.Tried = one.answer.Tried
	}
	w.Stays = c.Pods > 0 && c.ID != "" && (c.Pull == "IfNotPresent" || c.Pull == "Never")
	j.report.Findings = append(j.report.Findings, w)
}

// advise says what to do about the last finding.
func (j *judging) advise(do string) { j.report.Findings[len(j.report.Findings)-1].Do = do }

// end says what else is to be known.
func (j *judging) end() {
	r := j.report
	for _, ref := range sortedRefs(j.images) {
		if one := j.images[ref]; one.err != nil {
			r.Unjudged = append(r.Unjudged, Unjudged{ref.String(), one.first.Workload(), one.err.Error()})
		}
	}
	r.Secrets = text.Sorted(j.secrets)
	r.Notes = text.Sorted(r.Notes)
	if r.Left > 0 {
		r.Unknown = append(r.Unknown, text.Count(r.Left, "container", "containers")+" beyond what satchel keeps of one cluster were not judged")
	}
	r.Unknown = text.Sorted(r.Unknown)
	if r.Vague = text.Sorted(r.Vague); len(r.Vague) > 0 {
		r.Notes = append(r.Notes, text.Count(len(r.Vague), "workload names", "workloads name")+" an image by a parameter that nothing sets, and nobody knows which it is: "+text.Some(r.Vague, 3))
	}
	if r.Never > 0 {
		r.Notes = append(r.Notes, text.Count(r.Never, "container has", "containers have")+" the pull policy Never: nodes run what they have, before the cut and after it")
	}
	if r.Windows > 0 {
		r.Notes = append(r.Notes, text.Count(r.Windows, "container", "containers")+" on nodes of Windows were not judged: those do not pull as the others do")
	}
	if len(r.Secrets) > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("pods have pull secrets of their own for %s: nodes send those to the source alone, and to mirrors only the cluster's global pull secret: %s", text.Count(len(r.Secrets), "image", "images"), text.Some(r.Secrets, 3)))
	}
}
