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
func (p *planning) drives(f bundle.Forecast) ([]Drive, error) {
	if n := p.opts.DriveSize; n > 0 {
		count, err := p.opts.Job.Drives(f, p.Carried(), n, p.cluster())
		return []Drive{{n, n, count}}, p.needing(err)
	}
	var list []Drive
	for _, size := range []int64{32e9, 64e9, 128e9, 256e9} {
		free := size / 100 * (100 - driveLoss)
		count, err := p.opts.Job.Drives(f, p.Carried(), free, p.cluster())
		var large *bundle.TooLargeError
		if err != nil && !errors.As(err, &large) {
			return nil, err
		}
		list = append(list, Drive{size, free, count})
	}
	return list, nil
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
