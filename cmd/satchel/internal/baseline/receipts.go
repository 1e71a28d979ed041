package baseline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci"
)

// Receipt is one that came back, with the SHA-256 of its bytes.
type Receipt struct {
	*receipt.Receipt
	Sum string // 64 hexadecimal digits
}

// IntentError says that a receipt was written before a push, and not after one.
type IntentError struct{ Bundle, Mirror string }

func (e *IntentError) Error() string {
	return fmt.Sprintf("the receipt of bundle %s for %s says what was to be pushed, not what was: it is an intent", e.Bundle, e.Mirror)
}

// Permanent is true: the file stays what it is.
func (e *IntentError) Permanent() bool { return true }

// Hint says what to do now.
func (e *IntentError) Hint() string { return "name the receipt that was written at the end" }

// PrunedError says that no receipt is of a bundle, or each was replaced.
type PrunedError struct{ Mirror string }

func (e *PrunedError) Error() string {
	return "these receipts of " + e.Mirror + " are what a prune left, or what it replaced: what they name may be deleted next"
}

// Permanent is true: the files stay what they are.
func (e *PrunedError) Permanent() bool { return true }

// Hint says what to do now.
func (e *PrunedError) Hint() string { return "name the receipt of the newest bundle that arrived" }

// place is one mirror: of those with one name, that of one site.
type place struct {
	oci.Mirror
	site digest.Digest
}

func placeOf(r Receipt) place { return place{r.Mirror, r.Site(r.Digest())} }

// Digest is that of the receipt's bytes.
func (r Receipt) Digest() digest.Digest { return digest.NewDigestFromEncoded(digest.SHA256, r.Sum) }

// OfReceipts is what mirrors have by their receipts: of one mirror everything that any of its
// receipts names, of several mirrors what all of them have. Two sites can have mirrors of the same
// name, and receipts are only of one where they say so. What a prune left is left out, and
// so is what it replaced. state has the ledgers, which know which bundle carried what; it may be
// "". A receipt that is an intent is an *[IntentError]; where none is left, the error is a
// *[PrunedError].
func OfReceipts(state string, list []Receipt) (*Known, error) {
	list, err := unpruned(list)
	if err != nil {
		return nil, err
	}
	by := map[place][]Receipt{}
	var order []place
	for _, r := range list {
		if r.State != receipt.Done {
			return nil, &IntentError{r.Bundle, r.Mirror.String()}
		}
		at := placeOf(r)
		if by[at] == nil {
			order = append(order, at)
		}
		by[at] = append(by[at], r)
	}
	if len(order) == 0 {
		return nil, errors.New("no receipt was given")
	}
	slices.SortFunc(order, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.String(), b.String()), cmp.Compare(a.MaxNestedPaths, b.MaxNestedPaths), cmp.Compare(a.Shared.Repository, b.Shared.Repository), cmp.Compare(a.site, b.site))
	})
	known := &Known{}
	for _, r := range list {
		known.receipts = append(known.receipts, sourceOf(r))
	}
	for i, at := range order {
		known.mirrors = append(known.mirrors, ofMirror(state, at.Mirror, by[at]))
		if i > 0 && at.Mirror == order[i-1].Mirror && !slices.Contains(known.alike, at.Mirror.String()) {
			known.alike = append(known.alike, at.Mirror.String())
		}
	}
	return known, nil
}

// unpruned leaves out what a prune left, and what it replaced.
func unpruned(list []Receipt) (rest []Receipt, err error) {
	gone := map[string]bool{}
	for _, r := range list {
		for _, d := range r.Replaces {
			gone[d.Encoded()] = true
		}
	}
	for _, r := range list {
		if r.From != receipt.Pruned && !gone[r.Sum] {
			rest = append(rest, r)
		}
	}
	if len(rest) == 0 && len(list) > 0 {
		return nil, &PrunedError{list[0].Mirror.String()}
	}
	return rest, nil
}

// ofMirror takes the receipts of one mirror together. What several name was brought by the
// oldest of them.
func ofMirror(state string, at oci.Mirror, list []Receipt) *mirror {
	plain, sums := make([]*receipt.Receipt, len(list)), map[*receipt.Receipt]string{}
	for i, r := range list {
		plain[i], sums[r.Receipt] = r.Receipt, r.Sum
	}
	m := &mirror{
		repo:      func(img oci.Image) string { return at.Repo(img).Repository },
		path:      func(repo string) string { return pathIn(at, repo) },
		short:     func(d digest.Digest) string { return receipt.ShortOf(d).String() },
		manifests: map[digest.Digest]entry{}, blobs: map[string]entry{},
	}
	for _, r := range slices.Backward(receipt.Newest(plain)) {
		from := sourceOf(Receipt{r, sums[r]})
		carried := broughtBy(state, from)
		for _, x := range r.Manifests {
			m.manifests[x.Digest] = m.manifests[x.Digest].and(x.Repo, carried.of(x.Digest))
		}
		for _, x := range r.Blobs {
			source := carried.ofBlob(x.Short)
			for _, p := range x.In {
				m.blobs[x.Short.String()] = m.blobs[x.Short.String()].and(p.Repo, source)
			}
		}
	}
	return m
}

// sourceOf is the bundle of a receipt.
func sourceOf(r Receipt) bundle.BaselineSource {
	from := bundle.BaselineSource{Bundle: r.Bundle, Fingerprint: r.Fingerprint, Sequence: r.Sequence, Receipt: r.Sum, Mirror: r.Mirror.String()}
	if r.Stream != (receipt.Stream{}) {
		from.Stream = &bundle.Stream{Ledger: r.Stream.Ledger, Name: r.Stream.Name}
	}
	return from
}

// and is the entry with one more repository; who brought it first stays.
func (e entry) and(repo string, from bundle.BaselineSource) entry {
	if len(e.repos) == 0 {
		e.from = from
	}
	if i, has := slices.BinarySearch(e.repos, repo); !has {
		e.repos = slices.Insert(e.repos, i, repo)
	}
	return e
}

// pathIn is a path below the namespace that gives a repository of a mirror; "" if none does.
func pathIn(at oci.Mirror, repo string) string {
	if at.Shared.Repository != "" && repo == at.Shared.Repository {
		return at.Shared.Paths[0]
	}
	const some = "x"
	path := strings.TrimPrefix(repo, strings.TrimSuffix(at.Repo(oci.Image{Path: some}).Repository, some))
	if path == "" || at.Repo(oci.Image{Path: path}).Repository != repo {
		return ""
	}
	return path
}
