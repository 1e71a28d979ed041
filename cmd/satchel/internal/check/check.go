package check

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Depth is how much of each image is asked for.
type Depth string

// The depths.
const (
	Configs Depth = "configs" // manifests, and the configuration of each
	Layers  Depth = "layers"  // every layer too: its size
	Bytes   Depth = "bytes"   // every layer is read, and compared with its digest
)

// Bundle is a bundle whose images are checked.
type Bundle struct {
	Inventory *oci.Inventory
	Source    oci.Source
}

// Options are what is to be checked.
type Options struct {
	notice.To
	Handover   *manifests.Handover   // nil: what the cluster has counts alone
	Cluster    *manifests.Cluster    // nil: not known
	Mirror     string                // the registry that --to names, HOST[:PORT]; "": receipts and rules say it
	Receipts   []*receipt.Receipt    // the newest first, see Add
	Unread     []error               // receipts of the mirror that were not read
	Aside      []error               // receipts that do not count, by which nothing is lost that the mirror is to have
	Gone       []string              // files among those that satchel wrote for the cluster that are not there any more
	Changed    []string              // and those that are not as it wrote them
	Cut        bool                  // APPLY.md, one of those, lacks its end
	Bundles    []Bundle              // given in addition to receipts
	Secret     *manifests.PullSecret // that the cluster has; nil: not known
	NodeSecret *manifests.PullSecret // by which nodes pull from the mirror; nil: the one among the files
	Policies   []json.RawMessage     // that demand signatures, besides those of the cluster and of releases
	Depth      Depth
	Offline    bool // the mirror is not asked
	Parallel   int
	Tries      int
	Temp       string
	UserAgent  string
	Audit      AuditOptions
}

// Add adds the receipts that a mirror keeps to the one among the files, and puts them in order. Where none is
// of the mirror that the files are for, Unread says so.
func (o *Options) Add(mirror oci.Mirror, kept []*receipt.Receipt) {
	place := func(m oci.Mirror) string { return m.Host + "/" + m.Namespace }
	for _, own := range o.Receipts {
		if place(own.Mirror) != place(mirror) && !slices.ContainsFunc(kept, func(r *receipt.Receipt) bool { return place(r.Mirror) == place(own.Mirror) }) {
			o.Unread = append(o.Unread, &OtherMirrorError{mirror.String(), own.Mirror.String()})
		}
	}
	for _, r := range kept {
		same := func(own *receipt.Receipt) bool {
			return own.Bundle == r.Bundle && own.Time.Equal(r.Time) && own.Mirror == r.Mirror
		}
		if !slices.ContainsFunc(o.Receipts, same) {
			o.Receipts = append(o.Receipts, r)
		}
	}
	o.Receipts = receipt.Newest(o.Receipts)
}

// OtherMirrorError says that the files for the cluster are for another mirror than the one that is named.
type OtherMirrorError struct{ Named, Files string }

func (e *OtherMirrorError) Error() string {
	return "the files for the cluster are for the mirror " + e.Files + ", by the receipt among them, and " + e.Named + " (--to) keeps no receipt of it"
}

// Hint says what to do now.
func (e *OtherMirrorError) Hint() string {
	return "name the mirror that the files are for (--to " + e.Files + "), or write the files for the other one (satchel render)"
}

// checking is one run.
type checking struct {
	Options
	rules   *manifests.NodeRules
	node    *transport.Node
	carried *carried
	report  *Report

	secret *manifests.PullSecret // as nodes come to have it; nil: none
	known  struct {              // found out once, for each image asks
		once   sync.Once
		mirror []string // the names of the mirror, HOST[:PORT]
	}

	mu     sync.Mutex
	waited map[string]*Finding // by registry
	asked  map[oci.Ref]*question
	said   map[string]bool // see told; nil: not asked for yet
	served []*served
	read   []manifests.EarlierRelease // that the mirror gave
}

// question is an image that is or was asked for.
type question struct {
	once  sync.Once
	image *Image
	err   error
}

// Run checks. The report is there with a *[FailsError] and an *[UnreachableError], too.
func Run(ctx context.Context, o Options) (r *Report, err error) {
	c := &checking{Options: o, asked: map[oci.Ref]*question{}, waited: map[string]*Finding{}, report: &Report{Offline: o.Offline, Depth: o.Depth, Findings: []Finding{}, Images: []*Image{}, Outside: outside()}}
	if c.rules, err = manifests.NodeRulesOf(o.Handover, o.Cluster); err != nil {
		return nil, err
	}
	c.carried = carriedOf(o.Receipts, o.Bundles)
	c.carried.arch = text.Sorted(append(c.carried.arch, o.Cluster.Architectures()...))
	if c.node, err = transport.NewNode(c.nodeConfig()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.node.Close()) }()
	c.checkFiles()
	c.checkRules()
	c.checkCarried()
	if err := c.images(ctx); err != nil {
		return nil, err
	}
	if err := c.audit(ctx); err != nil {
		return nil, err
	}
	return c.end()
}

// images asks for everything.
func (c *checking) images(ctx context.Context) error {
	if err := c.auditWorkloads(ctx); err != nil {
		return err
	}
	c.Info("rehearsing the cut: %s of images by receipts and bundles, by digest and by tag", text.Count(len(c.carried.wanted), "name", "names"))
	if err := c.askAll(ctx, c.carried.wanted); err != nil {
		return err
	}
	if err := c.askAll(ctx, c.named()); err != nil {
		return err
	}
	if err := c.moved(ctx); err != nil {
		return err
	}
	if err := c.releases(ctx); err != nil {
		return err
	}
	if err := c.catalogs(ctx); err != nil {
		return err
	}
	if err := c.signed(ctx); err != nil {
		return err
	}
	return c.tags(ctx)
}

// askAll asks for images, some at a time.
func (c *checking) askAll(ctx context.Context, list []Wanted) error {
	for _, w := range list { // also where the mirror sends nodes on to one of them
		c.node.Refuse(w.Ref.Registry)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(max(1, c.Parallel))
	for _, w := range list {
		g.Go(func() error {
			_, err := c.ask(gctx, w)
			return err
		})
	}
	return g.Wait()
}

// end puts the report together.
func (c *checking) end() (*Report, error) {
	r := c.report
	for _, q := range c.asked {
		if q.image != nil {
			r.Images = append(r.Images, q.image)
		}
	}
	for _, f := range c.waited {
		r.add(*f)
	}
	r.finish()
	r.Rules = c.rules.Scopes
	var mirrors []string
	for _, m := range c.carried.mirrors {
		mirrors = append(mirrors, m.String())
	}
	r.Mirror = strings.Join(text.Sorted(mirrors), ", ")
	r.OtherHosts = c.node.OtherHosts()
	c.noteOthers()
	if hosts := c.node.Proxied(); len(hosts) > 0 {
		r.Notes = append(r.Notes, "this host asked "+text.Some(hosts, 3)+" through the proxy that its environment names (HTTPS_PROXY): nodes use the cluster's own proxy or none, so whether they reach it is not known")
	}
	r.Notes = text.Sorted(append(r.Notes, c.rules.Notes...))
	if away := c.away(); away != nil {
		return r, away
	}
	if r.Fails > 0 {
		return r, &FailsError{r.Fails, r.Unknown, len(r.Images), r.Findings[0]}
	}
	return r, nil
}

// away is the error for a mirror of which no place answered.
func (c *checking) away() error {
	var first *Try
	for _, img := range c.report.Images {
		if img.Place != "" {
			return nil
		}
		for _, f := range img.findings {
			switch f.Kind {
			case Unreachable:
				i := slices.IndexFunc(f.Tried, func(t Try) bool { return t.Place+": "+t.Error == f.Wrong })
				if first == nil && i >= 0 {
					first = &f.Tried[i]
				}
			case NoRule, ByTag: // no place was asked
			default:
				return nil
			}
		}
	}
	if first == nil {
		return nil
	}
	return &UnreachableError{first.Place, first.Error}
}
