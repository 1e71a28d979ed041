package unpack

import (
	"context"
	"errors"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/transport"
)

// sayPruning says that a prune has begun on another host, and has not ended.
func (u *unpacking) sayPruning() {
	if slices.ContainsFunc(u.receipts.history.PruneTags(), receipt.Pruning) {
		u.Info("a prune of this mirror has begun and has not ended: at the end everything is looked at again")
	}
}

// afterPrune looks again at everything where a prune of another host may have deleted from the
// mirror since this run looked.
func (u *unpacking) afterPrune(ctx context.Context) error {
	if u.Receipts.NotInMirror { // it has nothing to do with that repository
		return nil
	}
	before := u.receipts.history.PruneTags()
	tags, err := u.mirror.Tags(ctx, receipt.RepoIn(u.Site.Mirror))
	var answer *transport.RegistryError
	switch {
	case errors.As(err, &answer) && !answer.Away() && ctx.Err() == nil: // it does not say
		return nil
	case err != nil:
		return err
	}
	if slices.Equal(before, receipt.PruneTags(tags)) && !slices.ContainsFunc(before, receipt.Pruning) {
		return nil
	}
	u.mirror.LookAnew()
	return u.confirm(ctx)
}
