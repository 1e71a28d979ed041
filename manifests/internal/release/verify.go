package release

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci/text"
)

// formatKeys is part of the key under which the keys in a payload are stored.
const formatKeys = "payload-keys/1"

// verification reads the releases of a run. One that is verified brings the keys that its
// cluster will trust for the next one, so that a key which is newer than this program
// is trusted as far as a cluster that makes these updates would trust it. Keys that
// the user gave are the only ones: then no release adds any.
type verification struct {
	c    *imageset.Config
	from ask.Images
	list []chosen

	read []ask.Set
	errs []error
	held []heldNotes
	good []*release // nil until it is verified and read
	keys signature.Keyring
	seen map[string]bool // keys, by their text, and notes
}

func newVerification(c *imageset.Config, from ask.Images, list []chosen) *verification {
	n := len(list)
	return &verification{c: c, from: from, list: list, read: make([]ask.Set, n), errs: make([]error, n), held: make([]heldNotes, n),
		good: make([]*release, n), seen: map[string]bool{}}
}

// readAll reads every release, and those that an unknown key signed again as long as
// others bring more keys. What a release lacks stays in v.errs.
func (v *verification) readAll(ctx context.Context) error {
	v.some(ctx, func(int) bool { return true })
	for {
		waits := false
		for i := range v.list {
			waits = waits || v.waits(i)
		}
		if !waits || v.c.Extra.SignatureKeys != "" || ctx.Err() != nil {
			//lint:ignore nilerr whoever waits for the others sees the end of the context
			return nil
		}
		more, err := v.bring(ctx)
		if !more || err != nil {
			return err
		}
		v.some(ctx, v.waits)
	}
}

// some reads those releases that are wanted, some at a time.
func (v *verification) some(ctx context.Context, want func(int) bool) {
	var g errgroup.Group
	g.SetLimit(parallelReleases)
	for i, n := range v.list {
		if !want(i) {
			continue
		}
		v.held[i] = heldNotes{Images: v.from}
		g.Go(func() error {
			v.good[i], v.read[i], v.errs[i] = n.ask(ctx, v.c, &v.held[i], v.keys)
			return nil
		})
	}
	_ = g.Wait() // each error is in its place in v.errs
}

// waits reports whether a release may be verified once there are more keys.
func (v *verification) waits(i int) bool {
	fail := unsigned(v.errs[i])
	if fail == nil {
		return false
	}
	for _, err := range fail.Errs {
		var why *signature.Error
		if errors.As(err, &why) && why.Kind == signature.UnknownKey {
			return true
		}
	}
	return false
}

// bring takes the keys of the releases that are verified, and reports whether there
// are any that were not there before.
func (v *verification) bring(ctx context.Context) (more bool, err error) {
	for _, r := range v.good {
		if r == nil || len(r.signatures) == 0 { // not looked at: it verifies nothing
			continue
		}
		text, err := r.keys(ctx, v.from)
		if err != nil {
			if ctx.Err() != nil {
				return false, fmt.Errorf("release %s: %w", r.ref, err)
			}
			v.unread(r, err) // releases that wait for these keys report it themselves
			continue
		}
		if len(text) == 0 || v.seen[string(text)] {
			continue
		}
		v.seen[string(text)] = true
		ring, err := signature.ParseKeys(text)
		if err != nil {
			v.unread(r, err)
			continue
		}
		v.keys, more = v.keys.With(ring), true
	}
	return more, nil
}

// unread notes, once, that a release brings no keys, though it may have some, and tells
// so of the releases that wait for one.
func (v *verification) unread(r *release, err error) {
	note := text.ASCII(fmt.Sprintf("the keys that release %s brings are not read: %v", r.ref, err))
	if v.seen[note] {
		return
	}
	v.seen[note] = true
	v.from.Note(note)
	for i := range v.list {
		if v.waits(i) { // it may be one of these
			fail := unsigned(v.errs[i])
			fail.Errs = append(fail.Errs, fmt.Errorf("the keys that release %s brings are not read: %w", r.ref, err))
			fail.advise()
		}
	}
}

// keys reads the keys that a release brings, or what was stored of them.
func (r *release) keys(ctx context.Context, from ask.Images) (text []byte, err error) {
	rc, err := from.Derived(ctx, formatKeys+" "+r.image.Digest.String(), func(w io.Writer) error {
		keys, err := payload.Keys(ctx, r.src, r.image)
		if err != nil {
			return err
		}
		_, err = w.Write(keys)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rc.Close()) }()
	return io.ReadAll(io.LimitReader(rc, signature.MaxKeys+1))
}

// unsigned is the error of a release without a verified signature; nil for any other.
func unsigned(err error) *SignatureError {
	var fail *SignatureError
	if errors.As(err, &fail) {
		return fail
	}
	return nil
}
