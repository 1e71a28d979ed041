package plan

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Report is what pack would carry. All sizes are in bytes.
type Report struct {
	Origins []Origin `json:"origins"`
	Stream  Stream   `json:"stream"`
	LeftOut *LeftOut `json:"leftOut,omitempty"` // with --since
	Parts   []Part   `json:"parts,omitempty"`   // with --since: what is new, and what left out
	Carried Carried  `json:"carried"`
	Written Written  `json:"written"`
	Media   string   `json:"media,omitempty"` // kind of medium that the drives are, if one was named
	Drives  []Drive  `json:"drives"`
	Dirs    []string `json:"dirs,omitempty"`   // where the drives go, in their order, if --drive names that
	Spread  *Spread  `json:"spread,omitempty"` // with --drive-size or several --drive: what each of several drives gets
	// NotInSlot is why there is no way for one drive after another, where there is one for all together.
	NotInSlot string                     `json:"notInSlot,omitempty"`
	Together  *Together                  `json:"together,omitempty"`
	Time      *FetchTime                 `json:"time,omitempty"` // with --rate
	Images    []Image                    `json:"images"`
	Releases  []manifests.CarriedRelease `json:"releases,omitempty"`
	// Catalogs is what is carried of each.
	Catalogs []manifests.CatalogContents `json:"catalogs,omitempty"`
	Gaps     []oci.Gap                   `json:"gaps,omitempty"` // what --keep-going plans without
	// Incomplete is what lacks some of those.
	Incomplete []manifests.Incomplete `json:"incomplete,omitempty"`
	// Pinned is the configuration's file with what it names today, NotPinned what it has no
	// place for.
	Pinned    []byte   `json:"-"`
	NotPinned []string `json:"notPinned,omitempty"`
}

// Stream is the row of bundles that the next one would belong to.
type Stream struct {
	Name    string   `json:"name"`
	Ledger  string   `json:"ledger,omitempty"` // "" as long as the stream has no bundle
	Next    int      `json:"next"`             // the number of the next bundle
	Arrived *Arrived `json:"arrived,omitempty"`
}

// Arrived is the newest bundle of a stream that is known to have arrived.
type Arrived struct {
	Sequence    int                `json:"sequence"`
	Sealed      time.Time          `json:"sealed"`
	Fingerprint bundle.Fingerprint `json:"fingerprint"`
}

// Origin is what images of one origin bring.
type Origin struct {
	Origin   oci.Origin `json:"origin"`
	Images   int        `json:"images"`
	Attached int        `json:"attached"`
	Bytes    int64      `json:"bytes"`       // of all that its images reach, each digest once
	Unique   int64      `json:"uniqueBytes"` // of what no image of another origin reaches
	// New is how many images have something that the mirror lacks, NewBytes what of that no
	// image of another origin reaches; with --since alone.
	New      int   `json:"new,omitempty"`
	NewBytes int64 `json:"newBytes,omitempty"`
}

// LeftOut is what stays where it is, because the mirror has it.
type LeftOut struct {
	Images    int                     `json:"images"` // of which nothing travels
	Manifests int                     `json:"manifests"`
	Blobs     int                     `json:"blobs"`
	Bytes     int64                   `json:"bytes"`
	From      []bundle.BaselineSource `json:"from"` // the bundles that brought it
}

// Carried is what is carried of all origins.
type Carried struct {
	Images    int   `json:"images"`
	Attached  int   `json:"attached"` // signatures and other referrers
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"`       // of both, each digest once
	Shared    int64 `json:"sharedBytes"` // of what more than one image reaches, once
	Saved     int64 `json:"savedBytes"`  // what it would be more if that were not shared
}

// Written is what pack writes.
type Written struct {
	Bytes      int64 `json:"bytes"` // of the bundle's directory
	UpperBound bool  `json:"upperBound"`
	Segments   int   `json:"segments"`
	// OnDrive is the bytes that the files take in whole clusters of that many bytes.
	OnDrive int64 `json:"onDriveBytes"`
	Cluster int64 `json:"clusterBytes"`
	// NotEncrypted: who has the drive will be able to read it.
	NotEncrypted bool `json:"notEncrypted,omitempty"`
	// Parity is what parity files will be able to rebuild, once for each drive: such as any 2 of 20 segments.
	Parity []string `json:"parity,omitempty"`
	// WholeDrive is what it takes for one whole drive of several to be rebuilt, where these parity files are not enough.
	WholeDrive string `json:"wholeDrive,omitempty"`
}

func parityOf(f bundle.Forecast) (list []string) {
	for _, has := range f.Protections() {
		list = append(list, has.String())
	}
	return list
}

// Image is one image of the plan.
type Image struct {
	report.Image
	Shared int64 `json:"sharedBytes"`   // of its bytes, what another image reaches too
	New    bool  `json:"new,omitempty"` // with --since: it has something that the mirror lacks
	// NewBytes is how much of its bytes that is.
	NewBytes int64 `json:"newBytes,omitempty"`
}

func (p *planning) report(ctx context.Context) (*Report, error) {
	graph := p.Graph
	all, err := p.Bundled(ctx)
	if err != nil {
		return nil, err
	}
	inv := all.Inventory
	if p.opts.Job.Baseline, err = p.PinBaseline(ctx); err != nil {
		return nil, err
	}
	f, err := p.opts.Job.Forecast(inv, all.Graph, all.Body)
	if err != nil {
		return nil, err
	}
	r := &Report{Drives: []Drive{}, Written: Written{f.Bytes, f.Upper, f.Segments, f.OnDrive(p.cluster()), p.cluster(), p.opts.Job.Plain, parityOf(f), ""}, Images: []Image{}, Gaps: inv.Gaps,
		Time: p.fetchTime(), Releases: manifests.Releases(inv), Incomplete: manifests.IncompleteOf(inv.Gaps)}
	if err := p.drives(ctx, r, f, all); err != nil {
		return nil, err
	}
	if r.Stream, err = p.stream(); err != nil {
		return nil, err
	}
	if r.Catalogs, err = manifests.ReadContents(ctx, inv, p.Built()); err != nil {
		return nil, err
	}
	images := report.Images(graph)
	for _, img := range images {
		r.Images = append(r.Images, Image{Image: img})
	}
	attached := report.CountAttached(images)
	r.Carried = Carried{Images: len(images) - attached, Attached: attached, Manifests: len(graph.Manifests), Blobs: len(graph.Blobs),
		Bytes: report.Size(graph.Blobs) + report.Size(graph.Manifests)}
	r.share(graph)
	if p.Baseline != nil {
		r.leave(graph, p.Carried(), p.opts.Job.Baseline)
	}
	if p.opts.Pin {
		err = p.pin(ctx, r)
	}
	return r, err
}

// stream asks the ledger which bundle the next one would be.
func (p *planning) stream() (Stream, error) {
	s := Stream{Name: p.opts.Job.Stream, Next: 1}
	if p.opts.Journals == "" {
		return s, nil
	}
	l, err := ledger.Read(p.opts.Journals, s.Name)
	if err != nil || l == nil {
		return s, err
	}
	s.Ledger, s.Next = l.ID, l.Next
	if b := l.Arrived(); b != nil {
		s.Arrived = &Arrived{b.Sequence, b.Sealed, b.Fingerprint}
	}
	return s, nil
}

// share counts what images have in common, and what each origin brings.
func (r *Report) share(graph *oci.Graph) {
	origins := map[oci.Origin]*Origin{}
	for _, img := range r.Images {
		o := origins[img.Origin]
		if o == nil {
			o = &Origin{Origin: img.Origin}
			origins[img.Origin] = o
		}
		if img.Subject == "" {
			o.Images++
		} else {
			o.Attached++
		}
	}
	for _, n := range slices.Concat(graph.Blobs, graph.Manifests) {
		bytes := n.Descriptor.Size
		if len(n.Images) > 1 {
			r.Carried.Shared += bytes
			r.Carried.Saved += bytes * int64(len(n.Images)-1)
		}
		var of []oci.Origin
		for _, i := range n.Images {
			if len(n.Images) > 1 {
				r.Images[i].Shared += bytes
			}
			if o := r.Images[i].Origin; !slices.Contains(of, o) {
				of = append(of, o)
				origins[o].Bytes += bytes
			}
		}
		if len(of) == 1 {
			origins[of[0]].Unique += bytes
		}
	}
	r.Origins = []Origin{}
	for _, o := range origins {
		r.Origins = append(r.Origins, *o)
	}
	slices.SortFunc(r.Origins, func(a, b Origin) int { return cmp.Compare(a.Origin, b.Origin) })
}

// FetchTime is how long it takes to fetch what pack has to.
type FetchTime struct {
	Bytes   int64 `json:"bytesToFetch"`
	Rate    int64 `json:"rate"` // bytes a second
	Seconds int64 `json:"seconds"`
}

// fetchTime counts what has to come over the network: all but what is in the cache, what
// satchel builds itself, and what directories of this host have.
func (p *planning) fetchTime() *FetchTime {
	if p.opts.Rate == 0 {
		return nil
	}
	r := &FetchTime{Rate: p.opts.Rate}
	for _, n := range slices.Concat(p.Carried().Blobs, p.Carried().Manifests) {
		if p.Remote(n) && !p.Cache.Has(n.Descriptor) {
			r.Bytes += n.Descriptor.Size
		}
	}
	r.Seconds = (r.Bytes + r.Rate - 1) / r.Rate
	return r
}
