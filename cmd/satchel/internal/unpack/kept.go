package unpack

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// maxKept bounds a file of what is kept, unpacked, in bytes.
const maxKept = 1 << 30

// kept is what this host keeps of a bundle that is in a mirror, so that the mirror can be
// read back without the drive. It names what the bundle carries, in the clear.
type kept struct {
	Version   int             `json:"version"` // 1
	Bundle    string          `json:"bundle"`  // its ID
	Mirror    string          `json:"mirror"`
	Unpacked  time.Time       `json:"unpacked"`
	Images    []oci.Image     `json:"images"`    // that the mirror got
	Manifests []keptManifest  `json:"manifests"` // of them
	Foreign   []digest.Digest `json:"foreign"`   // layers that the bundle does not carry
}

type keptManifest struct {
	MediaType string `json:"mediaType"`
	Body      []byte `json:"body"`
}

// NotKeptError says that this host keeps nothing of a bundle.
type NotKeptError struct {
	Mirror, Bundle string   // an empty ID is any
	IDs            []string // of the bundles that something is kept of
}

func (e *NotKeptError) Error() string {
	what := "bundle " + e.Bundle
	if e.Bundle == "" {
		what = "one bundle"
	}
	if len(e.IDs) == 0 {
		return fmt.Sprintf("this host has noted no bundle that it has unpacked into %s", e.Mirror)
	}
	return fmt.Sprintf("read %s back without the drive: this host has noted of %s: %s", what, e.Mirror, strings.Join(e.IDs, ", "))
}

// Hint says what to do now.
func (e *NotKeptError) Hint() string {
	if len(e.IDs) > 0 {
		return "name one of these bundles by its ID, or connect the drive"
	}
	return "connect the drive, and name its directory"
}

// keptFor is how long what is kept of a bundle counts after it was last written or used.
const keptFor = 180 * 24 * time.Hour

// tidy removes what nobody will ask for: what is kept of bundles that were unpacked long ago,
// and what was read back in a run that was never resumed.
func (u *unpacking) tidy() {
	if u.State == "" {
		return
	}
	dir := u.mirrorDir(u.Site.Mirror.String())
	entries, _ := os.ReadDir(dir) // there may be none yet
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		age := time.Since(info.ModTime())
		if (strings.HasPrefix(e.Name(), "set-") || strings.HasPrefix(e.Name(), "went-")) && age > keptFor || strings.HasPrefix(e.Name(), "read-") && age > readAgainAfter {
			_ = os.Remove(filepath.Join(dir, e.Name())) // if it stays, it is in nobody's way
		}
	}
}

// keep writes down what the mirror has now, unless that was done.
func (u *unpacking) keep(ctx context.Context) {
	file := u.place("set")
	if file == "" {
		return
	}
	if _, err := os.Stat(file); err == nil && u.mirror.Sent() == (transport.Sent{}) {
		used(file)
		return
	}
	body, err := u.encodeKept(ctx)
	if err == nil {
		err = durable.Alone(filepath.Dir(file), func() error { return durable.Write(file, body) })
	}
	u.unnoted(err)
}

// used has a file count as new.
func used(file string) {
	now := time.Now()
	_ = os.Chtimes(file, now, now) // else it is removed early, and the drive is needed
}

func (u *unpacking) encodeKept(ctx context.Context) ([]byte, error) {
	k := kept{Version: 1, Bundle: u.r.ID(), Mirror: u.Site.Mirror.String(), Unpacked: time.Now().UTC().Truncate(time.Second)}
	seen, out := map[digest.Digest]bool{}, u.mirror.Refused()
	refused := func(img oci.Image) bool {
		return slices.ContainsFunc(out, func(r transport.RefusedImage) bool { return same(r.Image, img) })
	}
	var walks oci.Walks
	for _, img := range u.images {
		if refused(img) {
			continue
		}
		k.Images = append(k.Images, img)
		err := walks.WalkImage(ctx, u.src, img, func(d oci.Descriptor, body []byte) error {
			switch {
			case seen[d.Digest]:
			case body != nil:
				k.Manifests = append(k.Manifests, keptManifest{d.MediaType, body})
			case oci.IsForeign(d.MediaType) && !u.r.Has(d):
				k.Foreign = append(k.Foreign, d.Digest)
			}
			seen[d.Digest] = true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	err := errors.Join(json.NewEncoder(z).Encode(k), z.Close())
	return buf.Bytes(), err
}

// readKept reads what is kept of a bundle, or of the only one if id is empty.
func readKept(dir, mirror, id string) (*kept, error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("look for what this host has noted of %s: %w", mirror, err)
	}
	none := &NotKeptError{Mirror: mirror, Bundle: id}
	for _, e := range entries {
		if of, ok := strings.CutPrefix(e.Name(), "set-"); ok {
			none.IDs = append(none.IDs, of)
		}
	}
	if id == "" && len(none.IDs) == 1 {
		id = none.IDs[0]
	}
	if !slices.Contains(none.IDs, id) {
		return nil, none
	}
	file := filepath.Join(dir, "set-"+id)
	if err := checkSet(file); err != nil {
		return nil, err
	}
	k, err := decodeKept(file)
	if err == nil && (k.Version != 1 || k.Bundle != id) {
		err = errors.New("it is of another version of satchel")
	}
	if err != nil {
		return nil, fmt.Errorf("read what this host has noted of bundle %s: %w", id, err)
	}
	return k, nil
}

func decodeKept(name string) (k *kept, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	if err := json.NewDecoder(io.LimitReader(z, maxKept)).Decode(&k); err != nil {
		return nil, err
	}
	if k == nil {
		return nil, errors.New("it is empty")
	}
	return k, z.Close()
}

// WithoutDrive reads back from the mirror what this host has noted of a bundle that it has
// unpacked into it before, and asks for every manifest. What is wrong is an error: there is
// nothing to push it from. An empty id is the only bundle that is noted; if there
// is none, or it is not clear which, the error is a *[NotKeptError].
func WithoutDrive(ctx context.Context, id string, client *transport.Client, o Options) error {
	id = strings.TrimPrefix(strings.ToLower(id), "satchel-")
	u := &unpacking{Options: o, bundle: id, mirror: transport.NewMirror(client, o.Site.Mirror, o.Parallel)}
	if o.State == "" {
		return &NotKeptError{Mirror: o.Site.Mirror.String(), Bundle: id}
	}
	k, err := readKept(filepath.Dir(u.place("set")), o.Site.Mirror.String(), id)
	if err != nil {
		return err
	}
	var src oci.Memory
	for _, m := range k.Manifests {
		src.Add(m.MediaType, m.Body)
	}
	u.bundle, u.src, u.mirror.Verify = k.Bundle, &src, transport.VerifyFull
	if o.Report != nil {
		defer func() {
			*o.Report = Report{Bundle: k.Bundle, Mirror: k.Mirror}
			u.reportMirror(o.Report)
		}()
	}
	used(u.place("set"))
	u.attachments(&oci.Inventory{Images: k.Images})
	u.carries = func(d oci.Descriptor) bool { return !slices.Contains(k.Foreign, d.Digest) }
	if err := u.checkVersions(); err != nil {
		return err
	}
	u.recall()
	u.Info("without the drive: bundle %s, %s, unpacked into %s on %s", k.Bundle, counted(k.Images), k.Mirror, text.Minute(k.Unpacked))
	list, err := u.stored(ctx)
	if err != nil {
		return err
	}
	others, err := u.elsewhere(ctx, list)
	if err != nil {
		return err
	}
	if err := u.readBackOf(ctx, append(list, others...), nil); err != nil {
		return u.needsDrive(err)
	}
	if err := u.confirm(ctx); err != nil {
		return u.needsDrive(err)
	}
	if err := u.ended(ctx); err != nil {
		return err
	}
	u.all = true
	u.Info("every manifest and tag is there: %s", counted(u.images))
	return nil
}

// elsewhere lists what is to be read in other repositories than the first of each blob, the only
// one where it is read back: what they lack at a look, and what was wrong there before.
func (u *unpacking) elsewhere(ctx context.Context, list []transport.Delivery) (others []transport.Delivery, err error) {
	missing, err := u.mirror.Missing(ctx, u.src, &oci.Inventory{Images: u.images})
	if err != nil {
		return nil, err
	}
	first := make(map[digest.Digest]oci.Ref, len(list))
	for _, d := range list {
		first[d.Blob.Digest] = d.Repos[0]
	}
	for _, d := range missing.Blobs {
		if _, carried := first[d.Blob.Digest]; carried {
			u.doubtAll(doubted(wrong, []transport.Delivery{d}))
		}
	}
	for _, d := range u.suspects(list) {
		if first[d.Blob.Digest] != d.Repos[0] {
			others = append(others, d)
		}
	}
	return others, nil
}

// WrongError says that something in the mirror is wrong, or missing, and that this run cannot
// push it.
type WrongError struct {
	Err error
	Do  string // how it can be pushed
}

func (e *WrongError) Error() string { return e.Err.Error() }
func (e *WrongError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *WrongError) Hint() string { return e.Do }

// needsDrive makes a *[WrongError] of what is wrong in the mirror.
func (u *unpacking) needsDrive(err error) error {
	var blob *transport.BlobError
	var manifest *transport.ManifestError
	if errors.As(err, &blob) || errors.As(err, &manifest) {
		return &WrongError{err, fmt.Sprintf("only the drive with bundle %s has what is to be pushed again: connect it, and name its directory in the command", u.bundle)}
	}
	return err
}

// Unreadable reports whether an error says that a bundle is not there, or not whole.
func Unreadable(err error) bool {
	var none *bundle.NoBundleError
	var missing *bundle.MissingError
	var unfinished *bundle.UnfinishedError
	var damage *bundle.DamageError
	var drive *bundle.DriveError
	return errors.Is(err, fs.ErrNotExist) || errors.As(err, &none) || errors.As(err, &missing) || errors.As(err, &unfinished) ||
		errors.As(err, &damage) || errors.As(err, &drive)
}
