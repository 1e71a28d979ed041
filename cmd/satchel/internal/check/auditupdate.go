package check

import (
	"context"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// auditUpdate judges the update to the target.
func (c *checking) auditUpdate(ctx context.Context, a *Audit) error {
	if c.Audit.Target == nil {
		return nil
	}
	to := *c.Audit.Target
	payloads, err := c.payloadFacts(ctx, to)
	if err != nil {
		return err
	}
	var contents []manifests.CatalogContents
	for _, b := range c.Bundles {
		if b.Source == nil {
			continue
		}
		more, err := manifests.ReadContents(ctx, b.Inventory, b.Source)
		if err != nil {
			return err
		}
		contents = append(contents, more...)
	}
	a.Update = manifests.AuditUpdate(c.Cluster, to, payloads, contents)
	for _, b := range a.Update.Blockers {
		if c.nothingCarried() && strings.HasPrefix(b.Object, "release/") { // nobody looked
			c.report.add(Finding{Kind: Unknown, Fails: true, Object: "update to " + to.String(), Wrong: "no receipt and no bundle says which releases the mirror has", Do: "name the mirror, which keeps its receipts (--to HOST[:PORT][/NAMESPACE])"})
			continue
		}
		if c.Cluster.Multi() && strings.HasPrefix(b.Object, "release/") {
			b.Why += ". Its nodes are of several architectures: releases for one of them do not count, and those whose tags end with -multi do"
		}
		c.report.add(Finding{Kind: Update, Fails: b.Holds, Object: b.Object, Wrong: b.Why, Do: b.Do})
	}
	for _, u := range a.Update.Unknown {
		c.report.add(Finding{Kind: Unknown, Fails: true, Object: "update to " + to.String(), Wrong: u, Do: "fetch what the cluster is with the line of satchel cluster-query"})
	}
	return nil
}

// payloadFacts reads what the releases of the mirror say of updates, those up to the target for the
// cluster's nodes.
func (c *checking) payloadFacts(ctx context.Context, to manifests.Version) (list []manifests.PayloadFacts, err error) {
	known := map[string]manifests.PayloadFacts{}
	for _, b := range c.Bundles {
		if b.Source == nil {
			continue
		}
		facts, err := manifests.ReadPayloadFacts(ctx, b.Inventory, b.Source)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			known[f.Payload.String()] = f
		}
	}
	runs, _ := c.Cluster.Running()
	archs := c.Cluster.Architectures()
	multi := c.Cluster.Multi()
	for _, p := range c.carried.payloads {
		v, ok := manifests.ReleaseVersion(p.name)
		arch := nodeArch(p.name)
		other := arch != "" && (multi || len(archs) > 0 && !slices.Contains(archs, arch))
		twice := slices.ContainsFunc(list, func(f manifests.PayloadFacts) bool { return f.Version.EQ(v) })
		if !ok || other || twice || manifests.CompareReleases(v, to) > 0 || manifests.CompareReleases(v, runs) <= 0 {
			continue
		}
		if f, has := known[p.image.Root.Digest.String()]; has {
			list = append(list, f)
			continue
		}
		var read *manifests.EarlierRelease
		err := c.with(ctx, p.image.Source, func(src oci.Source, root oci.Descriptor) (err error) {
			img := p.image
			img.Root = root
			read, err = manifests.ReadEarlierRelease(ctx, src, img)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			c.report.Notes = append(c.report.Notes, "the release "+p.name+" does not count for the update: "+err.Error())
		default:
			list = append(list, read.Facts)
		}
	}
	return list, nil
}
