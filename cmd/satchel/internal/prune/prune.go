package prune

import (
	"context"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Options say what stays.
type Options struct {
	notice.To
	Place    oci.Mirror
	Mirror   *transport.Mirror
	Keeper   receipt.Keeper // with the mirror
	Apart    bool           // the receipt at the end is kept on this host alone
	Keep     int            // bundles of each stream, at least one
	Parallel int            // requests at a time

	// InUse finds out what stays although no bundle that is kept needs it, from all receipts;
	// nil: nothing does.
	InUse func(ctx context.Context, all []*receipt.Receipt) (Uses, error)
	// Only chooses, from all receipts, what may go; nil: everything may.
	Only func(ctx context.Context, all []*receipt.Receipt) (Choice, error)
}

// Uses is what is in use. Repositories are named whole, without the host.
type Uses interface {
	Digest(repo string, d digest.Digest) string // why it stays; "": it may go
	Tag(repo, tag string) string                // the same of a tag, and of what it names now
	Notes() []string                            // what is to be said before anything is deleted
}

// Choice says what may go.
type Choice interface {
	Goes(repo string, d digest.Digest) bool
	Notes() []string
}

// State is what becomes of a manifest.
type State string

// What.
const (
	Goes    State = "goes"
	Stays   State = "stays"
	Gone    State = "gone"    // it was not there any more
	Deleted State = "deleted" // by this run
	Refused State = "refused" // the registry does not delete it
)

// Plan is what goes and what stays, of what the receipts that are kept no longer brought. After
// [Plan.Do] it says what was done.
type Plan struct {
	Mirror      string    `json:"mirror"`
	Kept        []Bundle  `json:"kept"`    // the newest first
	Dropped     []Bundle  `json:"dropped"` // the same
	Manifests   []*Item   `json:"manifests,omitempty"`
	Tags        []*Tag    `json:"tags,omitempty"`        // that go from what kept bundles need
	Unknown     bool      `json:"unknown,omitempty"`     // no receipt that counts says that satchel pushed anything
	Unconfirmed int       `json:"unconfirmed,omitempty"` // receipts of the mirror that nobody confirmed: what they name stays
	Needed      int       `json:"needed"`                // manifests that dropped bundles brought and kept ones need
	Blobs       int64     `json:"blobs,omitempty"`       // bytes that the registry may free at most
	Lacks       []string  `json:"lacks,omitempty"`       // what kept bundles need and the mirror did not have before
	Notes       []string  `json:"notes,omitempty"`       // what was not known
	Refusals    []Refusal `json:"refused,omitempty"`     // by kind
	Receipt     string    `json:"receipt,omitempty"`     // that took the place of the dropped ones

	p     *pruning
	began bool // to delete
}

// Bundle is one whose receipts the mirror has.
type Bundle struct {
	ID       string    `json:"bundle"`
	Stream   string    `json:"stream,omitempty"`
	Sequence int       `json:"sequence,omitempty"`
	Packed   time.Time `json:"packed,omitzero"`
}

// Item is a manifest in one repository.
type Item struct {
	Repository string        `json:"repository"` // whole, without the host
	Digest     digest.Digest `json:"digest"`
	State      State         `json:"state"`
	Why        string        `json:"why,omitempty"`      // it stays, or is refused
	Tags       []string      `json:"tags,omitempty"`     // that it had
	Untagged   []string      `json:"untagged,omitempty"` // of them, those that go although it stays
	Bundles    []string      `json:"bundles"`            // that brought it, the newest first
	Size       int64         `json:"size"`               // of the manifest itself, in bytes

	part  bool     // of an index
	spare []string // tags that are to go although it stays
}

// Refusal is what a registry answered to some of the requests to delete.
type Refusal struct {
	Count int    `json:"count"`
	Why   string `json:"why"`
	Such  string `json:"such"` // one of them, with what was answered
	Hint  string `json:"hint,omitempty"`
}

// Count counts manifests by what becomes of them.
func (plan *Plan) Count(s State) (n int) {
	for _, item := range plan.Manifests {
		if item.State == s {
			n++
		}
	}
	return n
}

// Untagged counts the tags that go from manifests that stay; after [Plan.Do], those that went.
func (plan *Plan) Untagged() (n int) {
	for _, item := range plan.Manifests {
		n += len(item.Untagged)
	}
	for _, tag := range plan.Tags {
		if tag.Deleted || !plan.began {
			n++
		}
	}
	return n
}

// Nothing reports whether there is nothing to delete.
func (plan *Plan) Nothing() bool { return plan.Count(Goes)+plan.Untagged() == 0 }

// Idle reports whether [Plan.Do] has nothing to do: not even receipts to put in order.
func (plan *Plan) Idle() bool {
	return plan.Unknown || plan.Nothing() && plan.Count(Gone) == 0 && len(plan.Dropped) == 0 && len(plan.p.src.history.Replaced) == 0
}
