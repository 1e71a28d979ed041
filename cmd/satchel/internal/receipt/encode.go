package receipt

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/oci"
)

// version is the format that is written, and the newest that is read.
const version = "receipt/1"

// MaxSize is the largest receipt, in bytes: some 400,000 blobs.
const MaxSize = 16 << 20

// file is a receipt as JSON has it. docs/receipts.md says what each key is.
type file struct {
	Version      string      `json:"satchel"`
	State        State       `json:"state"`
	Bundle       string      `json:"bundle"`
	Fingerprint  string      `json:"fingerprint,omitempty"`
	Stream       *Stream     `json:"stream,omitempty"`
	Sequence     int         `json:"sequence,omitempty"`
	Partial      bool        `json:"partial,omitempty"`
	Packed       *time.Time  `json:"packed,omitempty"`
	Supplement   *Supplement `json:"supplement,omitempty"`
	Mirror       string      `json:"mirror"`
	MaxNested    int         `json:"maxNestedPaths,omitempty"`
	Releases     string      `json:"releases,omitempty"`
	Time         time.Time   `json:"time"`
	From         Source      `json:"from,omitempty"`
	First        string      `json:"first,omitempty"`
	Closes       row         `json:"closes,omitempty"`
	Claims       row         `json:"claims,omitempty"`
	Replaces     row         `json:"replaces,omitempty"`
	Origins      row         `json:"origins"` // sets, each joined by commas
	Hosts        row         `json:"hosts"`   // of sources
	Repositories rows        `json:"repositories"`
	Images       rows        `json:"images"`
	Manifests    string      `json:"manifests"`
	Blobs        string      `json:"blobs"`
}

// Encode writes a sorted receipt. The same facts give the same bytes.
func (r *Receipt) Encode() ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("write receipt of bundle %s: %w", r.Bundle, err)
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // base85 has such characters
	if err := enc.Encode(r.file()); err != nil {
		return nil, fmt.Errorf("write receipt of bundle %s: %w", r.Bundle, err)
	}
	if out.Len() > MaxSize {
		return nil, fmt.Errorf("write receipt of bundle %s: %w", r.Bundle, errSize)
	}
	return out.Bytes(), nil
}

func (r *Receipt) file() file {
	f := file{
		Version: version, State: r.State, Bundle: r.Bundle, Fingerprint: r.Fingerprint, Sequence: r.Sequence, Partial: r.Partial,
		Mirror: r.Mirror.String(), MaxNested: r.Mirror.MaxNestedPaths, Releases: r.Mirror.Shared.Repository,
		Time: short(r.Time), From: r.From, First: r.First.String(), Closes: words(r.Closes), Claims: words(r.Claims), Replaces: words(r.Replaces),
	}
	if r.Stream != (Stream{}) {
		f.Stream = &r.Stream
	}
	if r.Supplement != (Supplement{}) {
		f.Supplement = &r.Supplement
	}
	if !r.Packed.IsZero() {
		packed := short(r.Packed)
		f.Packed = &packed
	}
	t := r.tables()
	f.Origins, f.Hosts = words(t.origins), words(t.hosts)
	f.Repositories, f.Images = t.repositories(r), t.images(r)
	f.Manifests, f.Blobs = toBase85(t.manifests(r)), toBase85(t.blobs(r))
	return f
}

func short(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// tables number what is named often.
type tables struct {
	namespace      string
	origins, hosts []string
	repo           map[string]int
	manifest       map[manifestKey]int
}

type manifestKey struct {
	repo   string
	digest digest.Digest
}

func (r *Receipt) tables() tables {
	t := tables{namespace: r.Mirror.Namespace, origins: []string{}, hosts: []string{}, repo: map[string]int{}, manifest: map[manifestKey]int{}}
	for i, repo := range r.Repositories {
		t.repo[repo.Name] = i
		for _, s := range repo.Sources {
			t.origins = append(t.origins, joined(s.Origins))
			if host, same := t.sameAs(s.Name, repo.Name); same {
				t.hosts = append(t.hosts, host)
			}
		}
	}
	for _, img := range r.Images {
		t.origins = append(t.origins, joined(img.Origins))
	}
	slices.Sort(t.origins)
	slices.Sort(t.hosts)
	t.origins, t.hosts = slices.Compact(t.origins), slices.Compact(t.hosts)
	for i, m := range r.Manifests {
		t.manifest[manifestKey{m.Repo, m.Digest}] = i
	}
	return t
}

func joined(origins []oci.Origin) string {
	words := make([]string, len(origins))
	for i, o := range origins {
		words[i] = string(o)
	}
	return strings.Join(words, ",")
}

// below is the name of a repository below the namespace; with a slash before it where it
// is not there, because the mirror limits depth.
func (t *tables) below(name string) string {
	if t.namespace == "" {
		return name
	}
	if rest, ok := strings.CutPrefix(name, t.namespace+"/"); ok {
		return rest
	}
	return "/" + name
}

// sameAs reports whether a source has the path that its repository of the mirror has, and
// gives its host.
func (t *tables) sameAs(source, repo string) (host string, same bool) {
	host, path, _ := strings.Cut(source, "/")
	return host, path == t.below(repo)
}

// place is the number of a word in a sorted table.
func place(table []string, word string) int {
	i, _ := slices.BinarySearch(table, word)
	return i
}

func (t *tables) repositories(r *Receipt) rows {
	rows := make(rows, len(r.Repositories))
	for i, repo := range r.Repositories {
		rows[i] = row{t.below(repo.Name)}
		for _, s := range repo.Sources {
			var source any = s.Name
			if host, same := t.sameAs(s.Name, repo.Name); same {
				source = place(t.hosts, host)
			}
			rows[i] = append(rows[i], source, place(t.origins, joined(s.Origins)))
		}
	}
	return rows
}

// images: the number of the manifest, of the origins; 2 if satchel pushed the neutral tag,
// 1 if it was found, else 0; the subject after an @; the other tags, after a + where
// satchel pushed them.
func (t *tables) images(r *Receipt) rows {
	rows := make(rows, len(r.Images))
	for i, img := range r.Images {
		neutral, tags := 0, []any(nil)
		if img.Subject != "" {
			tags = append(tags, "@"+t.subject(img))
		}
		for _, tag := range img.Tags {
			switch {
			case tag.Name == oci.DigestTag(img.Digest) && tag.Mark == Pushed:
				neutral = 2
			case tag.Name == oci.DigestTag(img.Digest):
				neutral = 1
			case tag.Mark == Pushed:
				tags = append(tags, "+"+tag.Name)
			default:
				tags = append(tags, tag.Name)
			}
		}
		rows[i] = append(row{t.manifest[manifestKey{img.Repo, img.Digest}], place(t.origins, joined(img.Origins)), neutral}, tags...)
	}
	return rows
}

// subject is the number of a subject's manifest where the same repository has it, else its digest.
func (t *tables) subject(img Image) string {
	if i, ok := t.manifest[manifestKey{img.Repo, img.Subject}]; ok {
		return fmt.Sprint(i)
	}
	return img.Subject.String()
}

// manifests: for each repository the number of its manifests, and each of them: 32 bytes
// of SHA-256, then size*8 + kind*2 + mark.
func (t *tables) manifests(r *Receipt) []byte {
	var out []byte
	rest := r.Manifests
	for _, repo := range r.Repositories {
		n := 0
		for n < len(rest) && rest[n].Repo == repo.Name {
			n++
		}
		out = binary.AppendUvarint(out, uint64(n))
		for _, m := range rest[:n] {
			sum, _ := hex.DecodeString(m.Digest.Encoded()) // checked
			out = append(out, sum...)
			out = binary.AppendUvarint(out, uint64(m.Size)<<3|uint64(slices.Index(kinds(), m.MediaType))<<1|bit(m.Mark))
		}
		rest = rest[n:]
	}
	return out
}

// blobs: for each list of places how many there are and each of them, the distance from the
// place before it times 2 + mark; then how many blobs have that list, and each of them: 24
// bytes of SHA-256 and the size.
func (t *tables) blobs(r *Receipt) []byte {
	var out []byte
	for rest := r.Blobs; len(rest) > 0; {
		n := 1
		for n < len(rest) && samePlaces(rest[n].In, rest[0].In) {
			n++
		}
		out = binary.AppendUvarint(out, uint64(len(rest[0].In)))
		last := 0
		for _, p := range rest[0].In {
			out = binary.AppendUvarint(out, uint64(t.repo[p.Repo]-last)<<1|bit(p.Mark))
			last = t.repo[p.Repo]
		}
		out = binary.AppendUvarint(out, uint64(n))
		for _, b := range rest[:n] {
			out = append(out, b.Short[:]...)
			out = binary.AppendUvarint(out, uint64(b.Size))
		}
		rest = rest[n:]
	}
	return out
}

// kinds numbers the media types of manifests.
func kinds() []string {
	return []string{oci.MediaTypeManifest, oci.MediaTypeIndex, oci.MediaTypeDockerManifest, oci.MediaTypeDockerList}
}

func bit(m Mark) uint64 {
	if m == Pushed {
		return 1
	}
	return 0
}
