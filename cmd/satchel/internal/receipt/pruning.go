package receipt

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// pruningTag is the tag of what says that a prune has begun; prunedTag, of a receipt that one left.
var (
	pruningTag = regexp.MustCompile(`^pruning-[0-9a-f]{12}$`)
	prunedTag  = regexp.MustCompile(`^` + PrunedID + `(?:\.[0-9]+)?$`)
)

// BeginPrune says in the mirror that a prune has begun to delete: runs of other hosts that write
// into it look again then at what they have seen. ref has the tag and the digest of what says so,
// for [Keeper.EndPrune]. The error is a *[MirrorError].
func (k *Keeper) BeginPrune(ctx context.Context) (ref oci.Ref, err error) {
	id := make([]byte, 6)
	if _, err := rand.Read(id); err != nil {
		return ref, err
	}
	body, err := json.Marshal(map[string]string{"version": "pruning/1", "id": hex.EncodeToString(id), "time": time.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return ref, err
	}
	ref = k.Repo.WithTag("pruning-" + hex.EncodeToString(id))
	a := &transport.Artifact{Type: "application/vnd.satchel.pruning.v1", Files: []transport.File{{Name: "pruning.json", Type: "application/json", Body: body}}}
	if err := k.Mirror.PutArtifact(ctx, ref, a); err != nil {
		return ref, &MirrorError{Err: err}
	}
	ref.Digest = a.Digest
	return ref, nil
}

// EndPrune takes away what [Keeper.BeginPrune] put, and what runs that were killed left, by the
// tags that the repository had before.
func (k *Keeper) EndPrune(ctx context.Context, ref oci.Ref, before []string) error {
	all := []oci.Ref{k.Repo.WithDigest(ref.Digest)}
	for _, tag := range before {
		if !pruningTag.MatchString(tag) {
			continue
		}
		d, err := k.Mirror.TagDigest(ctx, k.Repo.WithTag(tag))
		if err != nil {
			return err
		}
		if d != "" {
			all = append(all, k.Repo.WithDigest(d))
		}
	}
	for _, one := range all {
		if err := k.Mirror.Delete(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// Pruning reports whether a tag says that a prune has begun and has not ended.
func Pruning(tag string) bool { return pruningTag.MatchString(tag) }

// PruneTags lists, of the tags of the repository of receipts, those of prunes, sorted.
func PruneTags(tags []string) (list []string) {
	for _, tag := range tags {
		if pruningTag.MatchString(tag) || prunedTag.MatchString(tag) {
			list = append(list, tag)
		}
	}
	slices.Sort(list)
	return list
}

// PruneTags lists the tags of prunes that the mirror had when the receipts were read, sorted.
func (h *History) PruneTags() []string { return PruneTags(slices.Collect(maps.Keys(h.tags))) }
