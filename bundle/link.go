package bundle

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// MaxLinkFile is the largest file that is given to a one-way link unless another size is asked
// for: below 2 GiB, which many of them do not take.
const MaxLinkFile = 1<<31 - 1

const (
	linkVersion     = "link/1"
	linkHead        = `{"satchel":"` + linkVersion + `"`
	maxLinkManifest = 32 << 20 // it is read, taken apart and written again in memory
	maxLinkNumber   = 9_999_999
	idInNames       = 8 // characters of the bundle ID in the names of link files
)

var (
	linkNamePattern     = regexp.MustCompile(`([a-z2-7]{8})-([0-9]{5,7})\.dat`)
	linkManifestPattern = regexp.MustCompile(`([a-z2-7]{8})-manifest-([0-9]{2})\.txt`)
)

// Link is a bundle as it goes over a one-way link: numbered files, from 1 on, and a manifest
// that says what they must be. The manifest has the small files of the bundle in it; the
// numbered ones are its segments, index and parity files, in parts where they are large. Both
// sides number them by the same seals, so what is missing can be named by its number.
type Link struct {
	Bundle      string      // its ID
	Fingerprint Fingerprint // "" where the last drive is not among those that are sent
	Files       []LinkFile
	Away        []DriveLabel // drives of the bundle that are not sent

	most     int64 // bytes that a file has at most
	drives   []*linkDrive
	manifest []byte
	sum      string // of the manifest
}

// LinkFile is one numbered file.
type LinkFile struct {
	Number int
	Size   int64

	sha256 string
	drive  *linkDrive
	file   seal.File // that it is, or is a part of
	off    int64     // in it
}

// linkDrive is one drive directory on its way.
type linkDrive struct {
	number int
	from   *Original           // on the sending side
	of     int                 // drives that the bundle has
	small  map[string][]byte   // what travels in the manifest, by name
	parts  map[string][]string // SHA-256 of the parts of files that are cut
	all    []seal.File         // every file that the directory has
	pieces []seal.File         // those that do not travel in the manifest
}

type linkManifest struct {
	Version string              `json:"satchel"`
	Bundle  string              `json:"bundle"`
	Max     int64               `json:"max"` // bytes that a link file has at most
	Drives  []linkManifestDrive `json:"drives"`
}

type linkManifestDrive struct {
	Drive int                 `json:"drive"`
	Files map[string][]byte   `json:"files"`
	Parts map[string][]string `json:"parts,omitempty"`
}

// name of a link file.
func (l *Link) name(f LinkFile) string {
	return fmt.Sprintf("%s-%05d.dat", l.Bundle[:idInNames], f.Number)
}

// manifestName is that of copy n of the manifest, from 1.
func (l *Link) manifestName(n int) string {
	return fmt.Sprintf("%s-manifest-%02d.txt", l.Bundle[:idInNames], n)
}

// Bytes gives the bytes of all numbered files.
func (l *Link) Bytes() (n int64) {
	for _, f := range l.Files {
		n += f.Size
	}
	return n
}

// plain reports whether the bundle is not encrypted, as the names of its segments show.
func (l *Link) plain() bool {
	return slices.ContainsFunc(l.Files, func(f LinkFile) bool { return strings.HasSuffix(f.file.Name, ".zst") })
}

// build numbers the files of the drives and writes the manifest.
func (l *Link) build(most int64) error {
	l.most = most
	m := linkManifest{Version: linkVersion, Bundle: l.Bundle, Max: most}
	for _, d := range l.drives {
		if err := d.list(l.Bundle); err != nil {
			return err
		}
		for _, f := range d.pieces {
			if err := l.number(d, f, most); err != nil {
				return err
			}
		}
		if body, ok := d.small[seal.BundleName]; ok {
			l.Fingerprint = Fingerprint(seal.Sum(body))
		}
		m.Drives = append(m.Drives, linkManifestDrive{d.number, d.small, d.parts})
	}
	if err := l.checkDrives(); err != nil {
		return err
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	body = append(body, '\n')
	l.sum = seal.Sum(body)
	l.manifest = fmt.Appendf(body, "sha256 %s\n", l.sum)
	return nil
}

// number gives a file its number, or its parts theirs.
func (l *Link) number(d *linkDrive, f seal.File, most int64) error {
	sums := d.parts[f.Name]
	if n := parts(f.Size, most); n == 1 {
		sums = []string{f.SHA256}
	} else if len(sums) != n {
		return fmt.Errorf("%w: parts of %s", seal.ErrFormat, f.Name)
	}
	for i, sum := range sums {
		if !seal.IsSum(sum) || len(l.Files) == maxLinkNumber {
			return fmt.Errorf("%w: parts of %s", seal.ErrFormat, f.Name)
		}
		off := int64(i) * most
		l.Files = append(l.Files, LinkFile{Number: len(l.Files) + 1, Size: min(most, f.Size-off), sha256: sum, drive: d, file: f, off: off})
	}
	return nil
}

// parts is into how many a file is cut.
func parts(size, most int64) int {
	if size <= most {
		return 1
	}
	return int((size + most - 1) / most)
}

// checkDrives compares the drive seals with the seal, if that travels too.
func (l *Link) checkDrives() error {
	last := l.drives[len(l.drives)-1]
	here := map[int]bool{}
	for _, d := range l.drives {
		here[d.number] = true
		if d.of != last.of || d.number > d.of {
			return fmt.Errorf("%w: drive %d of %d", seal.ErrFormat, d.number, d.of)
		}
	}
	l.Away = notHere(l.Bundle, last.of, here)
	body, ok := last.small[seal.BundleName]
	if !ok {
		return nil
	}
	b, err := seal.ParseBundle(body)
	if err != nil {
		return err
	}
	if b.Bundle != l.Bundle || len(b.Drives) != last.number {
		return fmt.Errorf("%w: the seal is of another bundle", seal.ErrFormat)
	}
	for _, d := range l.drives {
		if seal.Sum(d.small[seal.DriveName]) != b.Drives[d.number-1].SHA256 {
			return fmt.Errorf("%w: drive %d is not the one that the seal binds", seal.ErrFormat, d.number)
		}
	}
	return nil
}

// list says which files the directory of the drive has: SHA256SUMS names them, and the seals,
// which it must agree with, say how long they are.
func (d *linkDrive) list(id string) error {
	known, must, err := d.bound(id)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	add := func(f seal.File) {
		seen[f.Name] = true
		d.all = append(d.all, f)
		if _, small := d.small[f.Name]; !small && !strings.HasPrefix(f.Name, seal.CopyDir+"/") {
			d.pieces = append(d.pieces, f)
		}
	}
	for line := range strings.Lines(string(d.small[seal.SumsName])) {
		sum, name, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		f, bound := known[strings.TrimPrefix(name, seal.CopyDir+"/")]
		if !ok || !bound || f.SHA256 != sum || seen[name] {
			return fmt.Errorf("%w: SHA256SUMS of drive %d", seal.ErrFormat, d.number)
		}
		f.Name = name
		add(f)
	}
	for name, body := range d.small {
		if !seen[name] { // SHA256SUMS itself, and signatures that it does not name
			add(seal.FileOf(name, body))
		}
	}
	for _, name := range must {
		if !seen[name] {
			return fmt.Errorf("%w: SHA256SUMS of drive %d does not have %s", seal.ErrFormat, d.number, name)
		}
	}
	slices.SortFunc(d.all, func(a, b seal.File) int {
		return cmp.Or(cmp.Compare(turn(a.Name), turn(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	slices.SortFunc(d.pieces, func(a, b seal.File) int { return cmp.Compare(a.Name, b.Name) }) // index.age comes first
	return nil
}

// bound lists what the small files bind, and which names must be among them.
func (d *linkDrive) bound(id string) (known map[string]seal.File, must []string, err error) {
	known = map[string]seal.File{}
	drive, err := seal.ParseDrive(d.small[seal.DriveName])
	if err != nil || drive.Bundle != id || drive.Drive != d.number || !drive.Complete {
		return nil, nil, cmp.Or(err, fmt.Errorf("%w: drive.json of drive %d", seal.ErrFormat, d.number))
	}
	d.of = max(drive.Of, 1)
	extras, err := seal.ParseExtras(d.small[seal.ExtrasName])
	if err != nil || extras.Bundle != id {
		return nil, nil, cmp.Or(err, fmt.Errorf("%w: extras.json of drive %d", seal.ErrFormat, d.number))
	}
	list := slices.Concat(drive.Files, extras.Files)
	if body, ok := d.small[seal.BundleName]; ok {
		b, err := seal.ParseBundle(body)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, b.Index)
	}
	for _, f := range list {
		known[f.Name] = f
		must = append(must, f.Name)
	}
	for name, body := range d.small {
		if !seal.Known(name, false) {
			return nil, nil, fmt.Errorf("%w: name %q", seal.ErrFormat, name)
		}
		f := seal.FileOf(name, body)
		if have, ok := known[name]; ok && have != f {
			return nil, nil, fmt.Errorf("%w: %s is not what is bound", seal.ErrFormat, name)
		}
		known[name] = f
	}
	return known, must, nil
}

// parseLink reads a manifest, and believes nothing in it that its seals do not say.
func parseLink(body []byte) (*Link, error) {
	text, check, ok := bytes.Cut(body, []byte("\nsha256 "))
	if !ok || string(check) != seal.Sum(body[:len(text)+1])+"\n" {
		return nil, errors.New("it is cut, or was changed")
	}
	if err := seal.CheckElements(text); err != nil {
		return nil, err
	}
	var m linkManifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%w: %w", seal.ErrFormat, err)
	}
	if m.Version != linkVersion || !seal.IsID(m.Bundle) || m.Max < 1 || len(m.Drives) == 0 || len(m.Drives) > seal.MaxLanes {
		return nil, seal.ErrFormat
	}
	l := &Link{Bundle: m.Bundle}
	for i, d := range m.Drives {
		if d.Drive < 1 || i > 0 && d.Drive <= m.Drives[i-1].Drive {
			return nil, fmt.Errorf("%w: drive %d", seal.ErrFormat, d.Drive)
		}
		l.drives = append(l.drives, &linkDrive{number: d.Drive, small: d.Files, parts: d.Parts})
	}
	if err := l.build(m.Max); err != nil {
		return nil, err
	}
	if !bytes.Equal(l.manifest, body) {
		return nil, fmt.Errorf("%w: it is not written as the format asks", seal.ErrFormat)
	}
	return l, nil
}

// OpenLink cuts the drive directories of a bundle into link files of at most most bytes. It
// reads those files whole that are cut into parts, to hash the parts; progress gets the bytes
// just read of them. The error is a *[DamageError] if one of them is not as it was written.
func OpenLink(ctx context.Context, from []*Original, most int64, progress func(bytes int64)) (*Link, error) {
	l := &Link{Bundle: from[0].Bundle}
	var found error
	for _, o := range from {
		d, err := o.toSend(ctx, most, progress)
		if isDamage(err) {
			found = also(found, err) // the other drives may be damaged too
		} else if err != nil {
			return nil, err
		}
		l.drives = append(l.drives, d)
	}
	if found != nil {
		return nil, found
	}
	slices.SortFunc(l.drives, func(a, b *linkDrive) int { return cmp.Compare(a.number, b.number) })
	if err := l.build(most); err != nil {
		return nil, err
	}
	if len(l.manifest) > maxLinkManifest {
		return nil, &RefusedError{Dir: from[0].Dir, Reason: fmt.Sprintf("the manifest of what is sent would be %s large, and %s are the most", FormatSize(int64(len(l.manifest))), FormatSize(maxLinkManifest)),
			hint: "it has a checksum of each part of a file: name a larger --max-file-size; or send the drives of a bundle one by one"}
	}
	return l, nil
}

// Cut gives the bytes in the files that are larger than most.
func (d *Original) Cut(most int64) (bytes int64) {
	for _, f := range d.files {
		if f.Size > most && turn(f.Name) == turnContent {
			bytes += f.Size
		}
	}
	return bytes
}

// hashParts hashes the parts of a file, and the whole: parts of what is damaged would fit.
func hashParts(ctx context.Context, o *Original, f seal.File, most int64, progress func(int64)) (sums []string, err error) {
	file, err := o.open(f.Name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	whole, pass := sha256.New(), &copyWriter{CopyOptions: CopyOptions{Progress: progress}}
	for off := int64(0); off < f.Size; off += most {
		n := min(most, f.Size-off)
		sum, rerr, werr := pass.pass(ctx, whole, io.NewSectionReader(file, off, n), n)
		if werr != nil {
			return nil, werr
		}
		if rerr != nil {
			return nil, cmp.Or(o.dir.Gone(seal.DriveName, rerr), damageOf(o.Dir, []Fault{{f.Name, "cannot be read: " + rerr.Error()}}))
		}
		sums = append(sums, sum)
	}
	if hex.EncodeToString(whole.Sum(nil)) != f.SHA256 {
		return nil, damageOf(o.Dir, []Fault{{f.Name, "has changed: its SHA-256 differs from the recorded one"}})
	}
	return sums, nil
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*DamageError](err)
	return ok
}

// linkNumber reads the number from the name that a link file has, or had.
func linkNumber(name, id string) int {
	m := linkNamePattern.FindStringSubmatch(strings.ToLower(name))
	if m == nil || m[1] != id[:idInNames] {
		return 0
	}
	n, _ := strconv.Atoi(m[2])
	return n
}

// smallNames lists what travels in the manifest, in the order in which it is written.
func (d *linkDrive) smallNames() []string {
	return slices.SortedFunc(maps.Keys(d.small), func(a, b string) int {
		return cmp.Or(cmp.Compare(turn(a), turn(b)), cmp.Compare(a, b))
	})
}
