package prune

import (
	"context"
	"errors"
	"strings"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// mostNested is up to which limit of path components other places are looked for.
const mostNested = 4

// otherPlaces lists where the same registry may keep receipts of images that lie in the same
// repositories: of namespaces above this one, and with other limits of path components.
func otherPlaces(at oci.Mirror) (list []oci.Ref) {
	known := map[oci.Ref]bool{receipt.RepoIn(at): true}
	for namespace := at.Namespace; ; {
		for nested := range mostNested + 1 {
			repo := receipt.RepoIn(oci.Mirror{Host: at.Host, Namespace: namespace, MaxNestedPaths: nested})
			if !known[repo] {
				known[repo] = true
				list = append(list, repo)
			}
		}
		if namespace == "" {
			return list
		}
		i := strings.LastIndex(namespace, "/")
		namespace = namespace[:max(i, 0)]
	}
}

// elsewhere reads the receipts of other places. What they name stays, whoever wrote them. A place
// that this user may not read is none.
func elsewhere(ctx context.Context, k receipt.Keeper, at oci.Mirror) (list []*receipt.Receipt, err error) {
	for _, repo := range otherPlaces(at) {
		tags, err := k.Mirror.Tags(ctx, repo)
		var answer *transport.RegistryError
		if errors.As(err, &answer) && !answer.Away() && ctx.Err() == nil || err == nil && len(tags) == 0 {
			continue
		}
		if err != nil {
			return nil, err
		}
		other := receipt.Keeper{Mirror: k.Mirror, Repo: repo, Look: true}
		h, err := other.History(ctx)
		if err != nil {
			return nil, err
		}
		for _, one := range append(h.Done, h.Open()...) {
			r, err := one.Load()
			if err != nil {
				return nil, err
			}
			list = append(list, r)
		}
	}
	return list, nil
}
