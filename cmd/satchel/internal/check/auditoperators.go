package check

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// marketplace is where satchel's CatalogSources are.
const marketplace = "openshift-marketplace"

// auditOperators says which operators get nothing more from the catalogs that will serve them.
func (c *checking) auditOperators(ctx context.Context, a *Audit) error {
	if len(c.Cluster.Of("Subscription"))+len(c.Cluster.Of("ClusterExtension")) == 0 {
		if !c.Cluster.Known("Subscription") && !c.Audit.Pods {
			c.report.Notes = append(c.report.Notes, "the operators of the cluster were not read (Subscriptions)")
		}
		return nil
	}
	catalogs := c.catalogsAfter()
	for i := range catalogs {
		if err := c.readServed(ctx, &catalogs[i]); err != nil {
			return err
		}
	}
	a.Operators, a.Followed = manifests.AuditOperators(c.Cluster, catalogs)
	for _, o := range a.Operators {
		f := Finding{Kind: Operator, Fails: o.Stops, Object: objectOf(o.Kind, o.Namespace, o.Name), Wrong: o.Detail, Do: lacksDo(o)}
		if o.Lacks == manifests.LackUnread { // nobody knows
			f.Kind, f.Fails = Unknown, true
		}
		if o.Installed != "" {
			f.Why = []string{"installed: " + o.Installed}
		}
		c.report.add(f)
	}
	return nil
}

// objectOf names an object as oc takes it.
func objectOf(kind, namespace, name string) string {
	if namespace == "" {
		return strings.ToLower(kind) + "/" + name
	}
	return namespace + "/" + strings.ToLower(kind) + "/" + name
}

// lacksDo says what to do where an operator lacks something.
func lacksDo(o manifests.OperatorLack) string {
	if o.Kind == "CatalogSource" {
		return "delete it, or carry its catalog with the next bundle; one of the default catalogs is switched off as APPLY.md says"
	}
	switch {
	case o.Lacks == manifests.LackFuture:
		return "see what its message says; it is served as long as the catalog has it"
	case o.Lacks == manifests.LackPlan:
		return "see what it says: oc describe installplan " + o.Name + " -n " + o.Namespace + "; once that is mended, delete it and the ClusterServiceVersion that it was to make, and OLM makes another"
	case o.Kind == "InstallPlan":
		return "approve it, and let it end before the cut; or carry what it installs with the next bundle; or delete it, and OLM makes another from the catalogs that are there then"
	}
	switch o.Lacks {
	case manifests.LackSource:
		return "apply the catalogs among the files, or let it follow one of them"
	case manifests.LackUnread:
		return "see that the catalog can be read: name its bundle, or run this where the mirror is reached"
	case manifests.LackPriority:
		return "give one of the catalogs a higher spec.priority, or let it select one"
	case manifests.LackChannel:
		return "let it follow a channel that is there, or carry its own with the next bundle"
	}
	return "carry " + o.Package + " from what is installed to the head of its channel: pack --from-cluster"
}

// catalogsAfter are the catalogs that objects serve after the cut: those that the files bring in place of those that
// the cluster has under these names, whose labels stay, and not those that the files turn off.
func (c *checking) catalogsAfter() []manifests.ServedCatalog {
	list := manifests.PresentCatalogs(c.Cluster)
	if c.Handover == nil {
		return list
	}
	if c.Handover.SourcesOff {
		list = slices.DeleteFunc(list, func(have manifests.ServedCatalog) bool {
			return have.Kind == "CatalogSource" && have.Namespace == marketplace && manifests.DefaultCatalogSource(have.Name)
		})
	}
	if c.Handover.CatalogsOff {
		list = slices.DeleteFunc(list, func(have manifests.ServedCatalog) bool {
			return have.Kind == "ClusterCatalog" && manifests.DefaultClusterCatalog(have.Name)
		})
	}
	for _, n := range c.Handover.Named {
		if !n.Catalog() {
			continue
		}
		one := manifests.ServedCatalog{Kind: n.Kind, Name: n.Name, Labels: map[string]string{}, Priority: n.Priority, Image: n.Image.String()}
		if n.Kind == "CatalogSource" {
			one.Namespace = marketplace
		}
		list = slices.DeleteFunc(list, func(have manifests.ServedCatalog) bool {
			same := have.String() == one.String()
			if same {
				maps.Copy(one.Labels, have.Labels)
			}
			return same
		})
		maps.Copy(one.Labels, n.Labels)
		list = append(list, one)
	}
	return list
}

// readServed reads a catalog as its pod would get it. The error is that of a run that ends.
func (c *checking) readServed(ctx context.Context, to *manifests.ServedCatalog) error {
	ref, err := oci.ParseRef(to.Image)
	followed := manifests.FollowedCatalog(c.Cluster, to)
	switch {
	case to.Kind == "ClusterCatalog" && !followed: // OLM v1 does without it
		return nil
	case to.Image == "":
		to.Err = errors.New("it has no image")
		return nil
	case err != nil:
		to.Err = err
		//lint:ignore nilerr it is what is found out about the catalog
		return nil
	case !c.reached(ref):
		to.Gone = true
		return nil
	case !c.Offline:
		if err := c.startServed(ctx, ref, to); err != nil || to.Gone || to.Err != nil {
			return err
		}
	}
	if to.Kind == "CatalogSource" && !followed {
		return nil // that it starts is enough
	}
	to.Err = c.with(ctx, ref, func(src oci.Source, root oci.Descriptor) error {
		return manifests.ServeCatalog(ctx, to, src, root, c.Cluster)
	})
	return ctx.Err()
}

// startServed says whether the pod of a catalog gets its image. What that means, the operators say that need it.
func (c *checking) startServed(ctx context.Context, ref oci.Ref, to *manifests.ServedCatalog) error {
	img, err := c.askAside(ctx, Wanted{Ref: ref, Why: []string{to.String()}})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range img.findings {
		switch {
		case !f.Fails || to.Gone:
		case f.Kind == Unreachable || f.Kind == Refused: // nobody knows
			to.Err = errors.New(f.Wrong)
		default:
			to.Gone, to.Why = true, f.Wrong
		}
	}
	return nil
}

// reached reports whether nodes find a place for an image that is reached after the cut.
func (c *checking) reached(ref oci.Ref) bool {
	places := c.rules.Pull(ref.Name())
	if ref.Digest == "" {
		places = c.rules.PullTag(ref.Name())
	}
	return slices.ContainsFunc(places, func(p string) bool {
		host, _, _ := strings.Cut(p, "/")
		return p != ref.Name() || c.node.Reaches(host)
	})
}

// signaturesAt reads the signatures that a place has for a manifest, as nodes do.
func (c *checking) signaturesAt(ctx context.Context, repository oci.Ref, manifest digest.Digest) ([]manifests.ImageSignature, error) {
	at := transport.NodePlace{Ref: repository.WithTag(manifests.SignatureTag(manifest))}
	c.mu.Lock()
	for _, s := range c.served {
		if s.at.Ref.Name() == repository.Name() {
			at.Insecure = s.at.Insecure
		}
	}
	c.mu.Unlock()
	return (&signatures{node: c.node}).read(ctx, at)
}
