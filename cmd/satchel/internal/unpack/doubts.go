package unpack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// doubt is a blob in a repository of the mirror that later runs must look at.
type doubt struct {
	why  string
	blob digest.Digest
	repo string // without the registry's name
}

const (
	// unproven is a blob of an unpack that began to push and did not end: a manifest that
	// names it is no proof that it is there.
	unproven = "unproven"
	// wrong is a blob that had other bytes, or none, when it was read whole: its length is no
	// proof that it is right.
	wrong = "wrong"
)

// doubts is what this host has noted of a registry, whichever bundles it was about. A doubt
// is taken out by whoever has looked at that blob, in that repository, as closely as it asks
// for, and found it right.
type doubts struct {
	file string // "" without a state directory

	mu   sync.Mutex
	all  map[doubt]bool // as of the beginning of this run, and what it has added
	gone map[doubt]bool // that are over, and not yet taken out

	mine []doubt // that this run noted when it began to push
}

// recall reads what was noted, and removes what a crash left unfinished there.
func (u *unpacking) recall() {
	u.doubts = doubts{all: map[doubt]bool{}, gone: map[doubt]bool{}}
	if u.State == "" {
		return
	}
	u.doubts.file = u.doubtsFile()
	if !u.DryRun {
		durable.Sweep(filepath.Dir(u.doubts.file), durable.Temp)
		durable.Sweep(u.mirrorDir(u.Site.Mirror.String()), durable.Temp)
	}
	body, err := os.ReadFile(u.doubts.file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		u.unnoted(err)
	}
	u.doubts.all = parseDoubts(body)
}

// doubtsFile is where it is noted.
func (u *unpacking) doubtsFile() string {
	return filepath.Join(u.mirrorDir(u.Site.Mirror.Host), "doubts")
}

// parseDoubts skips a line that a crash cut off.
func parseDoubts(body []byte) map[doubt]bool {
	all := map[doubt]bool{}
	for line := range strings.Lines(string(body)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if strings.HasSuffix(line, "\n") && len(f) == 3 && (f[0] == unproven || f[0] == wrong) && oci.CheckDigest(digest.Digest(f[1])) == nil {
			all[doubt{f[0], digest.Digest(f[1]), f[2]}] = true
		}
	}
	return all
}

func (d doubt) line() string { return fmt.Sprintf("%s %s %s\n", d.why, d.blob, d.repo) }

// about reports whether there is a doubt of that kind about a blob, in whatever repository.
func (n *doubts) about(why string) map[digest.Digest]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	is := map[digest.Digest]bool{}
	for d := range n.all {
		if d.why == why {
			is[d.blob] = true
		}
	}
	return is
}

func (n *doubts) has(d doubt) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.all[d]
}

// doubtAll notes doubts, before anything else is done. A dry run notes nothing.
func (u *unpacking) doubtAll(list []doubt) {
	n := &u.doubts
	n.mu.Lock()
	defer n.mu.Unlock()
	var lines bytes.Buffer
	for _, d := range list {
		if delete(n.gone, d); !n.all[d] {
			n.all[d] = true
			lines.WriteString(d.line())
		}
	}
	if n.file == "" || u.DryRun || lines.Len() == 0 {
		return
	}
	u.unnoted(durable.Alone(filepath.Dir(n.file), func() error {
		body := lines.Bytes()
		if isNew(n.file) {
			body = append([]byte(doubtsVersion+"\n"), body...)
		}
		return durable.Append(n.file, body)
	}))
}

// proved remembers that doubts are over, [unpacking.takeOut] writes it down.
func (u *unpacking) proved(list []doubt) {
	n := &u.doubts
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, d := range list {
		if n.all[d] {
			delete(n.all, d)
			n.gone[d] = true
		}
	}
}

// noteDamage notes the blobs of an error that the mirror took and does not have as they are.
func (u *unpacking) noteDamage(err error) {
	var list []doubt
	for _, e := range flat(err) {
		var blob *transport.BlobError
		if errors.As(e, &blob) {
			list = append(list, doubt{wrong, blob.Blob.Digest, blob.Repo.Repository})
		}
	}
	u.doubtAll(list)
}

// flat lists the errors that were joined.
func flat(err error) []error {
	var many interface{ Unwrap() []error }
	if !errors.As(err, &many) {
		return []error{err}
	}
	var list []error
	for _, e := range many.Unwrap() {
		list = append(list, flat(e)...)
	}
	return list
}

// takeOut takes out the doubts that are over; what other runs have noted meanwhile stays.
func (u *unpacking) takeOut() {
	n := &u.doubts
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.file == "" || u.DryRun || len(n.gone) == 0 {
		return
	}
	u.unnoted(durable.Alone(filepath.Dir(n.file), func() error {
		body, err := os.ReadFile(n.file)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // another run has taken out the last one
		}
		if err != nil {
			return err
		}
		left := parseDoubts(body)
		maps.DeleteFunc(left, func(d doubt, _ bool) bool { return n.gone[d] })
		if len(left) == 0 {
			return errors.Join(os.Remove(n.file), durable.SyncDir(filepath.Dir(n.file)))
		}
		lines := make([]string, 0, len(left))
		for d := range left {
			lines = append(lines, d.line())
		}
		slices.Sort(lines)
		return durable.Write(n.file, []byte(doubtsVersion+"\n"+strings.Join(lines, "")))
	}))
	clear(n.gone)
}

// unnoted says, once, that this host does not keep what it should.
func (u *unpacking) unnoted(err error) {
	if err != nil && u.said.CompareAndSwap(false, true) {
		u.Warn("later runs will not know what this run has found: it cannot be recorded on this host: %s", text.Joined(err.Error()))
	}
}

// doubted lists a doubt for each repository of each delivery.
func doubted(why string, list []transport.Delivery) (all []doubt) {
	for _, d := range list {
		for _, repo := range d.Repos {
			all = append(all, doubt{why, d.Blob.Digest, repo.Repository})
		}
	}
	return all
}

// wasInterrupted has every blob looked at where an unpack of some of them into this mirror
// began on this host and did not end: manifests are no proof then.
func (u *unpacking) wasInterrupted(ctx context.Context) error {
	if u.Verify != transport.VerifyManifests {
		return nil
	}
	_, err := u.interrupted(ctx)
	return err
}

// interrupted reports whether that is so, says it, and sets how closely the mirror is looked at.
func (u *unpacking) interrupted(ctx context.Context) (bool, error) {
	if len(u.doubts.about(unproven)) == 0 {
		return false, nil
	}
	list, err := u.stored(ctx)
	if err != nil || !slices.ContainsFunc(doubted(unproven, list), u.doubts.has) {
		return false, err
	}
	u.Info("an earlier unpack into this mirror did not end: every blob is looked at")
	u.mirror.Verify, u.looked = transport.VerifySizes, true
	return true, nil
}

// begun notes that the mirror is being written: all blobs of the bundle are in doubt until
// the end.
func (u *unpacking) begun(ctx context.Context) error {
	list, err := u.stored(ctx)
	if err == nil {
		list := doubted(unproven, list)
		u.doubts.mine = slices.DeleteFunc(slices.Clone(list), u.doubts.has)
		u.doubtAll(list)
	}
	return err
}

// ended takes back what begun of this run, or of an earlier one, has noted of these blobs.
func (u *unpacking) ended(ctx context.Context) error {
	if len(u.doubts.about(unproven)) == 0 {
		return nil
	}
	list, err := u.stored(ctx)
	if err == nil {
		u.proved(doubted(unproven, list))
		u.proved(u.doubts.mine) // what was left out has no manifest that this run pushed
		u.takeOut()
	}
	return err
}

// suspects lists, of a list of deliveries, the blobs that were wrong when they were last read,
// each in one repository: those where it was found, or else the first.
func (u *unpacking) suspects(list []transport.Delivery) (suspects []transport.Delivery) {
	is := u.doubts.about(wrong)
	for _, d := range list {
		if !is[d.Blob.Digest] {
			continue
		}
		repos := slices.DeleteFunc(slices.Clone(d.Repos), func(r oci.Ref) bool { return !u.doubts.has(doubt{wrong, d.Blob.Digest, r.Repository}) })
		if len(repos) == 0 {
			repos = d.Repos[:1]
		}
		for _, repo := range repos {
			suspects = append(suspects, transport.Delivery{Blob: d.Blob, Repos: []oci.Ref{repo}, Optional: d.Optional})
		}
	}
	return suspects
}
