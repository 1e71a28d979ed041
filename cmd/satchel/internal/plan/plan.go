// Package plan shows what pack would carry and what that takes on drives, from manifests
// alone.
package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
)

// Options say what is planned.
type Options struct {
	prepare.Options
	Job       bundle.Job // without an identity
	DriveSize int64      // free bytes of the drives at hand; 0 for drives of the usual sizes
	Cluster   int64      // bytes of a cluster of those drives; 0 for the usual size
	Rate      int64      // bytes a second for the time that fetching takes; 0 for no time
	Pin       bool       // also write the configuration's file with what it names today
}

// Run plans. Images that are not available are gaps of the report, if they are allowed.
func Run(ctx context.Context, o Options) (*Report, error) {
	p := &planning{Set: prepare.New(o.Options), opts: o}
	defer p.Close()
	if err := p.Prepare(ctx); err != nil {
		return nil, err
	}
	if err := p.ReadSmall(ctx); err != nil {
		return nil, err
	}
	return p.report(ctx)
}

// planning is one run.
type planning struct {
	*prepare.Set
	opts Options
}

// drives counts how many drives are needed, of the size given or of the usual ones.
func (p *planning) drives(r *Report, f bundle.Forecast, all prepare.Bundled) error {
	if n := p.opts.DriveSize; n > 0 {
		s, err := p.spread(f, all, n)
		if err != nil {
			return p.needing(err)
		}
		r.Drives = []Drive{{n, n, len(s.Drives)}}
		r.lay(s, p.opts.Job.Parity)
		return nil
	}
	for _, size := range []int64{32e9, 64e9, 128e9, 256e9} {
		free := size / 100 * (100 - driveLoss)
		s, err := p.spread(f, all, free)
		var large *bundle.TooLargeError
		if err != nil && !errors.As(err, &large) {
			return err
		}
		count := 0
		if err == nil {
			count = len(s.Drives)
		}
		r.Drives = append(r.Drives, Drive{size, free, count})
	}
	return nil
}

// spread puts the bundle on drives that have so many bytes free, as pack does.
func (p *planning) spread(f bundle.Forecast, all prepare.Bundled, free int64) (*bundle.Spread, error) {
	if need := f.OnDrive(p.cluster()); need <= free {
		return &bundle.Spread{Lanes: p.opts.Job.Lanes, Forecast: f, Drives: []bundle.Share{{Need: need}}}, nil
	}
	return p.opts.Job.SpreadOver(all.Inventory, all.Graph, all.Body, bundle.Room{More: bundle.Capacity{Free: free, Cluster: p.cluster()}})
}

// lay says what each of several drives gets.
func (r *Report) lay(s *bundle.Spread, parity bundle.ParityRatio) {
	if len(s.Drives) == 1 {
		return
	}
	r.Written.Bytes, r.Written.Segments, r.Written.OnDrive = s.Forecast.Bytes, s.Forecast.Segments, s.Forecast.OnDrive(r.Written.Cluster)
	r.Written.Parity = parityOf(s.Forecast)
	if has := s.Forecast.Protections(); len(has) > 0 && has[0].Whole == 0 {
		r.Written.WholeDrive = bundle.WholeDriveTakes(parity, len(s.Drives))
	}
	r.Spread = &Spread{Lanes: s.Lanes}
	for i, d := range s.Drives {
		f := s.Forecast.On(i + 1)
		r.Spread.Drives = append(r.Spread.Drives, Share{Drive: i + 1, Blobs: len(d.Blobs), Bytes: f.Bytes, Segments: f.Segments, Needs: d.Need})
	}
}

// cluster is the size of a cluster that is counted with.
func (p *planning) cluster() int64 { return cmp.Or(p.opts.Cluster, bundle.DefaultCluster) }

// driveLoss is what a drive sold by its size may lack of it, in percent: makers
// round up, and the file system takes its part.
const driveLoss = 5

// needing names an image that needs the blob which fits on no drive.
func (p *planning) needing(err error) error {
	var large *bundle.TooLargeError
	if errors.As(err, &large) {
		for _, n := range p.Carried().Blobs {
			if n.Descriptor.Digest == large.Blob.Digest {
				return p.Blame(n, err)
			}
		}
	}
	if err != nil {
		err = fmt.Errorf("count drives: %w", err)
	}
	return err
}
