package receipt

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Decode reads a receipt. It takes nothing but what [Receipt.Encode] writes, byte for byte.
// The error is a *[FormatError], or of one of a newer satchel an *[oci.VersionError].
func Decode(b []byte) (*Receipt, error) {
	if len(b) > MaxSize {
		return nil, &FormatError{errSize}
	}
	var head struct {
		Version string `json:"satchel"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return nil, &FormatError{err}
	}
	if err := checkVersion(head.Version); err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, &FormatError{err}
	}
	r, err := f.receipt()
	if err != nil {
		return nil, &FormatError{err}
	}
	again, err := r.Encode()
	if err == nil && !bytes.Equal(again, b) {
		err = errOther
	}
	if err != nil {
		return nil, &FormatError{err}
	}
	return r, nil
}

// receipt reads the columns. What is not as it is written shows when it is written again.
func (f *file) receipt() (*Receipt, error) {
	mirror, err := oci.ParseMirror(f.Mirror)
	if err != nil {
		return nil, err
	}
	mirror.MaxNestedPaths = f.MaxNested
	if f.Releases != "" {
		if mirror, err = ofOc(mirror, f.Releases); err != nil {
			return nil, err
		}
	}
	r := &Receipt{
		State: f.State, Bundle: f.Bundle, Fingerprint: f.Fingerprint, Sequence: f.Sequence, Partial: f.Partial,
		Mirror: mirror, Time: f.Time, From: f.From, First: digest.Digest(f.First),
	}
	if r.Closes, err = f.Closes.digests(); err != nil {
		return nil, err
	}
	if r.Claims, err = f.Claims.digests(); err != nil {
		return nil, err
	}
	if r.Replaces, err = f.Replaces.digests(); err != nil {
		return nil, err
	}
	if f.Stream != nil {
		r.Stream = *f.Stream
	}
	if f.Supplement != nil {
		r.Supplement = *f.Supplement
	}
	if f.Packed != nil {
		r.Packed = *f.Packed
	}
	for _, read := range []func(*Receipt) error{f.readRepositories, f.readManifests, f.readImages, f.readBlobs} {
		if err := read(r); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// ofOc is the mirror in the layout of oc, with the repository that has all of releases.
func ofOc(m oci.Mirror, releases string) (oci.Mirror, error) {
	return manifests.Layout{Tool: manifests.LayoutOc, Releases: releases}.On(m, true)
}

func (f *file) origins(w row, i int) (list []oci.Origin, err error) {
	n, err := w.number(i, len(f.Origins))
	if err != nil {
		return nil, err
	}
	set, err := f.Origins.word(n)
	if err != nil || set == "" {
		return nil, err
	}
	for o := range strings.SplitSeq(set, ",") {
		list = append(list, oci.Origin(o))
	}
	return list, nil
}

func (f *file) readRepositories(r *Receipt) error {
	sources := 0
	for _, w := range f.Repositories {
		below, err := w.word(0)
		if err != nil {
			return err
		}
		repo := Repository{Name: below}
		if r.Mirror.Namespace != "" {
			if whole, is := strings.CutPrefix(below, "/"); is {
				repo.Name = whole
			} else {
				repo.Name = r.Mirror.Namespace + "/" + below
			}
		}
		for i := 1; i < len(w); i += 2 {
			if sources++; sources > maxSources {
				return fmt.Errorf("it has more than %d sources", maxSources)
			}
			name, err := f.source(w, i, below)
			if err != nil {
				return err
			}
			origins, err := f.origins(w, i+1)
			if err != nil {
				return err
			}
			repo.Sources = append(repo.Sources, SourceRepository{name, origins})
		}
		r.Repositories = append(r.Repositories, repo)
	}
	return nil
}

func (f *file) source(w row, i int, below string) (string, error) {
	if s, ok := w[i].(string); ok {
		return s, nil
	}
	n, err := w.number(i, len(f.Hosts))
	if err != nil {
		return "", err
	}
	host, err := f.Hosts.word(n)
	return host + "/" + below, err
}

func (f *file) readImages(r *Receipt) (err error) {
	for _, w := range f.Images {
		number, err := w.number(0, len(r.Manifests))
		if err != nil {
			return err
		}
		img := Image{Repo: r.Manifests[number].Repo, Digest: r.Manifests[number].Digest}
		if img.Origins, err = f.origins(w, 1); err != nil {
			return err
		}
		neutral, err := w.number(2, 3)
		if err != nil {
			return err
		}
		if neutral > 0 {
			img.Tags = append(img.Tags, Tag{oci.DigestTag(img.Digest), neutral == 2})
		}
		for i := 3; i < len(w); i++ {
			name, err := w.word(i)
			if err != nil {
				return err
			}
			if subject, is := strings.CutPrefix(name, "@"); is {
				img.Subject = subjectOf(r, subject)
				continue
			}
			name, pushed := strings.CutPrefix(name, "+")
			img.Tags = append(img.Tags, Tag{name, Mark(pushed)})
		}
		r.Images = append(r.Images, img)
	}
	r.Sort() // the neutral tag stands where its name belongs
	return nil
}

// subjectOf reads the number of a manifest, or a digest.
func subjectOf(r *Receipt, s string) digest.Digest {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(r.Manifests) {
		return r.Manifests[n].Digest
	}
	return digest.Digest(s)
}

// column is packed bytes that are read from their beginning.
type column struct {
	rest []byte
	bad  bool
}

func (c *column) number(limit uint64) uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 || v >= limit {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *column) take(n int) []byte {
	if n > len(c.rest) {
		c.bad, c.rest = true, nil
		return make([]byte, n)
	}
	b := c.rest[:n]
	c.rest = c.rest[n:]
	return b
}

func openColumn(s string) (*column, error) {
	b, ok := fromBase85(s)
	if !ok {
		return nil, fmt.Errorf("a column is not in base85")
	}
	return &column{rest: b}, nil
}

func (f *file) readManifests(r *Receipt) error {
	c, err := openColumn(f.Manifests)
	if err != nil {
		return err
	}
	for _, repo := range r.Repositories {
		for n := c.number(uint64(len(c.rest)) + 1); n > 0 && !c.bad; n-- {
			d := digest.NewDigestFromBytes(digest.SHA256, c.take(32))
			v := c.number((oci.MaxManifestSize + 1) << 3)
			r.Manifests = append(r.Manifests, Manifest{Repo: repo.Name, Digest: d, MediaType: kinds()[v>>1&3], Size: int64(v >> 3), Mark: v&1 == 1})
		}
	}
	return c.end()
}

// end reports whether a column was read as it must be, to its end.
func (c *column) end() error {
	if c.bad || len(c.rest) > 0 {
		return errShort
	}
	return nil
}

func (f *file) readBlobs(r *Receipt) error {
	c, err := openColumn(f.Blobs)
	if err != nil {
		return err
	}
	for len(c.rest) > 0 {
		places := make([]Place, 0, 1)
		at := uint64(0)
		for n := c.number(uint64(len(c.rest)) + 1); n > 0 && !c.bad; n-- {
			v := c.number(uint64(len(r.Repositories)) << 1)
			if at += v >> 1; at >= uint64(len(r.Repositories)) {
				return errShort
			}
			places = append(places, Place{r.Repositories[at].Name, v&1 == 1})
		}
		for n := c.number(uint64(len(c.rest)) + 1); n > 0 && !c.bad; n-- {
			b := Blob{In: places}
			copy(b.Short[:], c.take(len(b.Short)))
			b.Size = int64(c.number(maxBlobSize + 1))
			r.Blobs = append(r.Blobs, b)
		}
	}
	return c.end()
}
