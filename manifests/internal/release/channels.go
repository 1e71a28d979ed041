package release

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/graph"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	maxGraphFile     = 64 << 20 // bytes; that of a stable channel has a few hundred KiB
	parallelReleases = 4
)

// defaultArch is that of channels whose configuration names none, as in oc-mirror.
const defaultArch = "amd64"

// GraphURLs are where update graphs are published, by the type of a channel.
var GraphURLs = map[string]string{
	"ocp": "https://api.openshift.com/api/upgrades_info/v1/graph",
	"okd": "https://origin-release.ci.openshift.org/graph",
}

// graphQuery is what a graph server is asked for.
type graphQuery struct{ kind, arch, channel string }

// file is the name under which the answer travels.
func (q graphQuery) file() string {
	name := q.arch + "-" + q.channel + ".json"
	if q.kind != imageset.ReleaseTypes[0] {
		name = q.kind + "-" + name
	}
	return name
}

// graphs are the update graphs of a run, each asked for once.
type graphs struct {
	c     *imageset.Config
	from  ask.Images
	got   map[graphQuery]*graph.Graph
	files []oci.ArtifactFile
	noted map[string]bool
}

func newGraphs(c *imageset.Config, from ask.Images) *graphs {
	return &graphs{c: c, from: from, got: map[graphQuery]*graph.Graph{}, noted: map[string]bool{}}
}

// note tells the user something once.
func (gs *graphs) note(format string, args ...any) {
	line := text.ASCII(text.OneLine(fmt.Sprintf(format, args...)))
	if !gs.noted[line] {
		gs.noted[line] = true
		gs.from.Note(line)
	}
}

// get asks for a graph. One without releases is that of an unknown channel.
func (gs *graphs) get(ctx context.Context, q graphQuery) (*graph.Graph, error) {
	if g := gs.got[q]; g != nil {
		return g, nil
	}
	what := fmt.Sprintf("read the update graph of channel %s for %s", q.channel, q.arch)
	body, where, err := gs.body(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	g, err := graph.Parse(body)
	if err != nil {
		return nil, fmt.Errorf("%s from %s: %w", what, where, err)
	}
	gs.got[q] = g
	if len(g.Nodes()) > 0 {
		gs.files = append(gs.files, oci.ArtifactFile{Title: q.file(), MediaType: "application/json", Body: body})
	}
	return g, nil
}

// body gives a graph and says where it is from: the hub, else the server of graphs. A hub
// without it knows no such channel, unless a server was named.
func (gs *graphs) body(ctx context.Context, q graphQuery) (body []byte, where string, err error) {
	if h := gs.c.Extra.Hub; h != nil {
		if body, ok := h.File(documents.DocumentGraph, q.file()); ok {
			return body, h.Mirror.String(), nil
		}
		if gs.c.Extra.UpdateURL == "" {
			gs.note("the bundle that filled %s brought no update graph of channel %s for %s", h.Mirror, q.channel, q.arch)
			return []byte(`{"version":1,"nodes":[],"edges":[]}`), h.Mirror.String(), nil
		}
	}
	link, bare, err := graphURL(gs.c, q)
	if err != nil {
		return nil, "", err
	}
	body, err = gs.from.Fetch(ctx, link, maxGraphFile)
	return body, bare, err
}

// graphURL is the address of a graph, and the same without query and password
// for messages. [imageset.Extra].UpdateURL goes before that of the type, with its own query.
func graphURL(c *imageset.Config, q graphQuery) (link, bare string, err error) {
	base := GraphURLs[q.kind]
	if c.Extra.UpdateURL != "" {
		base = c.Extra.UpdateURL
	}
	u, err := url.Parse(base)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		p := c.Problems()
		p.AddAtKey("mirror.platform.channels", "set UPDATE_URL_OVERRIDE to the address of a graph server, such as https://HOST/graph, or unset it",
			"mirror.platform.channels: the update graph is not available: UPDATE_URL_OVERRIDE is not an http or https address")
		return "", "", p.Join()
	}
	query := u.Query()
	query.Set("arch", q.arch)
	query.Set("channel", q.channel)
	u.RawQuery = query.Encode()
	link = u.String()
	u.RawQuery, u.User = "", nil
	return link, u.String(), nil
}

// Write makes the document of all graphs that were used.
func (gs *graphs) document(ctx context.Context) ([]oci.Document, error) {
	slices.SortFunc(gs.files, func(a, b oci.ArtifactFile) int { return strings.Compare(a.Title, b.Title) })
	return documents.Write(ctx, documents.DocumentGraph, documents.ArtifactGraph, gs.files, gs.from)
}

// chosen is a release that a graph gave, with the reasons.
type chosen struct {
	graph.Node
	kind, arch string
	why        []oci.Reason
	running    bool // a cluster runs it, and no graph was asked
}

// Channels asks for mirror.platform.channels: the releases that are chosen
// from the update graphs, each as [Configured] asks for its one, and the graphs
// as a document, and for the releases that clusters run. A payload that cannot be read is a *[oci.Gap]; a channel or
// version that is not there, and versions that no path joins, are *[imageset.ConfigError].
func Channels(ctx context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	pf := &c.Mirror.Platform
	if len(pf.Channels) == 0 {
		return readReleases(ctx, c, from, withRunning(c, nil))
	}
	gs := newGraphs(c, from)
	archs := text.Sorted(pf.Architectures)
	switch {
	case len(pf.Platforms) > 0: // they are chosen within payloads for several, as in oc-mirror
		archs = []string{MultiArch}
	case len(archs) == 0:
		archs = []string{defaultArch}
	}
	var list []chosen
	for _, arch := range archs {
		for _, kind := range imageset.ReleaseTypes {
			some, err := gs.choose(ctx, kind, arch)
			if err != nil {
				return ask.Set{}, err
			}
			list = append(list, some...)
		}
	}
	gs.unknownRisks()
	docs, err := gs.document(ctx)
	if err != nil {
		return ask.Set{}, err
	}
	all, err := readReleases(ctx, c, from, withRunning(c, list))
	gs.updates(all.Payloads)
	all.Documents = append(all.Documents, docs...)
	return all, err
}

// unknownRisks notes accepted risks that no graph knows: they may be misspelt.
func (gs *graphs) unknownRisks() {
	known := map[string]bool{}
	for _, g := range gs.got {
		for _, name := range graph.Names(g.Conditional(g.Nodes())) {
			known[name] = true
		}
	}
	for _, name := range gs.c.Extra.AcceptRisks {
		if !known[name] {
			gs.note("accepted risk %s: no update in the graphs of this configuration has a risk of that name", name)
		}
	}
}

// readReleases reads payloads, some at a time, and lists their images in order. A
// release without a verified signature ends it.
func readReleases(ctx context.Context, c *imageset.Config, from ask.Images, list []chosen) (ask.Set, error) {
	v := newVerification(c, from, list)
	if err := v.readAll(ctx); err != nil {
		return ask.Set{}, err
	}
	var all ask.Set
	var gaps []*oci.Gap
	var unverified []error
	for i, n := range list {
		for _, note := range v.held[i].notes {
			from.Note(note)
		}
		switch err := v.errs[i]; {
		case unsigned(err) != nil:
			unverified = append(unverified, err)
		case err != nil:
			w := ask.Image{Origin: origin.Release, Ref: n.Payload, Path: origin.PathPayload, Reasons: n.reasons()}
			gaps = append(gaps, &oci.Gap{Image: w.Entry(), Err: err})
		}
		all.Images, all.Signatures = append(all.Images, v.read[i].Images...), append(all.Signatures, v.read[i].Signatures...)
		all.Payloads = append(all.Payloads, v.read[i].Payloads...)
	}
	if len(unverified) > 0 {
		return ask.Set{}, errors.Join(unverified...)
	}
	return all, oci.JoinGaps(gaps)
}

// reasons are why a release is carried, as far as that is known before it is read.
func (n chosen) reasons() []oci.Reason {
	if n.running {
		return n.why
	}
	return append([]oci.Reason{{Kind: origin.KindRelease, Name: n.Version.String() + " " + releaseArch(n.arch)}}, n.why...)
}

// heldNotes holds back what is reported to the user, so that it comes in order.
type heldNotes struct {
	ask.Images
	notes []string
}

func (h *heldNotes) Note(line string) { h.notes = append(h.notes, line) }

// ask reads a payload, which must be what the graph says that it is.
func (n chosen) ask(ctx context.Context, c *imageset.Config, from ask.Images, brought signature.Keyring) (*release, ask.Set, error) {
	r, err := n.readPayload(ctx, c, from, brought)
	if err != nil {
		return nil, ask.Set{}, err
	}
	// Some graph servers write the architecture behind the version, as 4.12.0+amd64.
	if v, err := semver.Parse(r.Version); !n.running && (err != nil || !v.EQ(n.Version) || r.arch != n.arch) {
		return nil, ask.Set{}, &oci.UnsupportedError{What: "payload " + n.Payload.String(), Why: fmt.Sprintf("the update graph says that it is %s for %s; it is %s for %s", n.Version, n.arch, r.Version, r.arch)}
	}
	list, err := r.images(ctx, c, from)
	if err != nil {
		return nil, ask.Set{}, err
	}
	list[0].Reasons = append(list[0].Reasons, n.why...)
	return r, ask.Set{Images: list, Signatures: r.signatures, Payloads: r.told}, nil
}
