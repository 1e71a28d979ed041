// Package plan shows what pack would carry and what that takes on drives, from manifests
// alone.
package plan

import (
	"cmp"
	"context"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
)

// Options say what is planned.
type Options struct {
	prepare.Options
	Job    bundle.Job    // without an identity
	Dirs   []string      // that pack will get, if it gets several or drives of a size; nil where they are not known
	Drives places.Drives // of no size for those in Dirs, or, without any, for drives of the usual sizes
	Rate   int64         // bytes a second for the time that fetching takes; 0 for no time
	Pin    bool          // also write the configuration's file with what it names today
}

// Run plans. Images that are not available are gaps of the report, if they are allowed.
func Run(ctx context.Context, o Options) (*Report, error) {
	p := &planning{Set: prepare.New(o.Options), opts: o}
	defer p.Close()
	if s := bundle.NoWholeDrive(o.Job.Parity, len(o.Dirs)); s != "" && o.Drives.Size == 0 {
		p.Warn("%s", s)
	}
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

// cluster is the size of a cluster that is counted with.
func (p *planning) cluster() int64 { return cmp.Or(p.opts.Drives.Cluster, bundle.DefaultCluster) }
