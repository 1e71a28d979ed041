package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/oci"
)

// version is the newest that is read and written; earlier ones are read too. Version 2 has
// streams, version 3 several drives, version 4 supplements, the digest of the configuration alone,
// the size that was named for drives, the parity, and when a bundle was sealed: one that needs none of that begins with version 2.
const (
	version       = 4
	versionDrives = 3
	versionOne    = 2
)

// knownSince is the first version that knows a record after the first one; 0 for every one.
func (r Record) knownSince() int {
	switch {
	case r.Sealed != nil && !r.Sealed.Created.IsZero():
		return version
	case r.Number != nil:
		return versionOne
	}
	return 0
}

// versionOf is the first version that knows all that a bundle begins with.
func versionOf(b Begin) int {
	switch {
	case b.File != "" || b.Supplements != nil || b.DriveSize > 0 || b.Parity.Parity > 0:
		return version
	case len(b.Drives) > 0:
		return versionDrives
	}
	return versionOne
}

// tempSuffix ends the name of a journal that has no first record yet.
const tempSuffix = ".tmp"

// Errors of [Open].
var (
	ErrLocked = errors.New("another satchel is writing this bundle")
	ErrFormat = errors.New("the journal is damaged")
)

// Journal is an open, locked journal.
type Journal struct {
	mu   sync.Mutex
	f    *os.File
	path string
	of   int   // the version of its last records
	err  error // once failed, always failed: the end of the file is unknown then
}

// Create starts a journal at path, in directories that it makes as needed. Nobody
// sees it before it is locked and its first record is on the disk.
func Create(path string, begin Begin) (*Journal, error) {
	j, err := createTemp(path)
	if err != nil {
		return nil, err
	}
	begin.Version = versionOf(begin)
	j.path, j.of = path, begin.Version
	if err = j.Append(Record{Begin: &begin}); err == nil {
		err = failed("create journal", path, os.Rename(path+tempSuffix, path))
	}
	if err != nil {
		_ = os.Remove(path + tempSuffix) // the next run removes what stays
		return nil, errors.Join(err, j.Close())
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, errors.Join(failed("sync the journal's directory", filepath.Dir(path), err), j.Close())
	}
	return j, nil
}

// createTemp makes the file that becomes the journal at path, and locks it. Until then
// another run may take what is there for what a crash left, see [Sweep].
func createTemp(path string) (j *Journal, err error) {
	for range 200 {
		if err := makeDirs(filepath.Dir(path)); err != nil {
			return nil, failed("make the journal's directory", filepath.Dir(path), err)
		}
		if _, err := os.Lstat(path); err == nil {
			return nil, fmt.Errorf("create journal %s: %w", path, fs.ErrExist)
		}
		j, err = open(path+tempSuffix, os.O_CREATE|os.O_EXCL)
		if err == nil && j.has(path+tempSuffix) {
			return j, nil
		}
		if err == nil {
			err = errors.Join(fmt.Errorf("create journal %s: %w", path, fs.ErrNotExist), j.Close())
		}
		if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrExist) && !errors.Is(err, ErrLocked) {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond) // it is being removed
	}
	return nil, err
}

// has reports whether name is the name of the open file.
func (j *Journal) has(name string) bool {
	open, err := j.f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Lstat(name)
	return err == nil && os.SameFile(open, named)
}

// Open replays and locks the journal at path. The error wraps fs.ErrNotExist if
// there is none, and a journal whose first record was torn counts as none.
func Open(path string) (*Journal, *State, error) {
	j, err := open(path, 0)
	for range 20 {
		if !errors.Is(err, ErrLocked) {
			break
		}
		time.Sleep(5 * time.Millisecond) // a run that only looks whether it began locks it for a moment
		j, err = open(path, 0)
	}
	if err != nil {
		return nil, nil, err
	}
	if !j.has(path) { // the run that had it has just removed it
		return nil, nil, errors.Join(fmt.Errorf("open journal %s: %w", path, fs.ErrNotExist), j.Close())
	}
	state, good, err := replay(j.f)
	if err == nil {
		err = j.f.Truncate(good)
	}
	if err == nil {
		_, err = j.f.Seek(good, io.SeekStart)
	}
	if err != nil {
		return nil, nil, errors.Join(failed("read journal", path, err), j.Close())
	}
	j.of = state.Version
	return j, state, nil
}

// Peek reads the journal at path as it is now, without locking it: for those who
// only look, so that they are in nobody's way. Errors are those of [Open], but
// for [ErrLocked].
func Peek(path string) (*State, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, failed("open journal", path, err)
	}
	state, _, err := replay(f)
	return state, errors.Join(failed("read journal", path, err), f.Close())
}

func open(path string, flags int) (*Journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, 0o600)
	if err != nil {
		return nil, failed("open journal", path, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(failed("lock journal", path, err), f.Close())
	}
	return &Journal{f: f, path: path}, nil
}

// NewState is the state of a journal without records.
func NewState() *State {
	return &State{Segments: map[int][]Segment{}, Next: map[int]int{}, Sessions: map[int]Session{}, Done: map[int]DriveDone{}}
}

// replay reads all whole lines and says where the last one ends.
func replay(f *os.File) (*State, int64, error) {
	data, err := io.ReadAll(f)
	if err != nil {
		return nil, 0, err
	}
	state := NewState()
	good := int64(0)
	for n := 1; ; n++ {
		end := bytes.IndexByte(data[good:], '\n')
		if end < 0 {
			break
		}
		line := data[good : good+int64(end)]
		if n > 1 && isTorn(data[good:]) {
			break
		}
		if err := checkVersion(f.Name(), line); err != nil {
			return nil, 0, err
		}
		var r Record
		dec := json.NewDecoder(bytes.NewReader(line))
		dec.DisallowUnknownFields() // a later satchel's record may matter
		if err := dec.Decode(&r); err != nil {
			return nil, 0, fmt.Errorf("%w: line %d: %w", ErrFormat, n, err)
		}
		if _, err := dec.Token(); err != io.EOF || r.kinds() != 1 {
			return nil, 0, fmt.Errorf("%w: line %d: not one record", ErrFormat, n)
		}
		if (n == 1) != (r.Begin != nil) || r.Begin != nil && r.Begin.Version < 1 || r.Version < 0 {
			return nil, 0, fmt.Errorf("%w: line %d: not what belongs there", ErrFormat, n)
		}
		state.apply(r)
		good += int64(end) + 1
	}
	if good == 0 {
		return nil, 0, fs.ErrNotExist
	}
	return state, good, nil
}

// isTorn reports whether the end of a journal is what a loss of power left of its last record, the
// only one that was not synced: no line of it can be one. Sectors of it may
// be zero, or have other bytes, with ends of lines among them.
func isTorn(end []byte) bool {
	for line := range bytes.Lines(end) {
		if line[0] == '{' && json.Valid(line) {
			return false
		}
	}
	return true
}

// checkVersion refuses a record of a newer satchel before the grammar of this
// one is applied: the first line has the version, or one that stands before what is newer.
func checkVersion(path string, line []byte) error {
	var head struct {
		Version int `json:"version"`
		Begin   struct {
			Version int `json:"version"`
		} `json:"begin"`
	}
	_ = json.Unmarshal(line, &head) // the caller finds what is wrong with the rest
	if n := max(head.Version, head.Begin.Version); n > version {
		return &oci.VersionError{File: path, Has: fmt.Sprintf("journal/%d", n), Reads: fmt.Sprintf("journal/%d", version)}
	}
	return nil
}

// Append writes a record and returns once it is on the disk.
func (j *Journal) Append(r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	if n := r.knownSince(); n > j.of { // the first record that the older version does not know
		b = append(fmt.Appendf(nil, "{\"version\":%d}\n", n), b...)
		j.of = n
	}
	if _, err = j.f.Write(append(b, '\n')); err == nil {
		err = j.f.Sync()
	}
	j.err = failed("write journal", j.path, err)
	return j.err
}

// Close unlocks the journal.
func (j *Journal) Close() error { return j.f.Close() }

// makeDirs makes the directory and those above it; of each that it makes the name is
// durable.
func makeDirs(dir string) error {
	err := os.Mkdir(dir, 0o700)
	switch {
	case errors.Is(err, fs.ErrNotExist) && dir != filepath.Dir(dir):
		if err := makeDirs(filepath.Dir(dir)); err != nil {
			return err
		}
		return makeDirs(dir)
	case errors.Is(err, fs.ErrExist):
		if info, err := os.Stat(dir); err == nil && !info.IsDir() {
			return syscall.ENOTDIR
		}
		return nil
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(dir))
}

// syncDir makes the names in a directory durable, where its file system can.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if errors.Is(err, fs.ErrPermission) {
		return nil // it may be written and not read
	}
	if err != nil {
		return err
	}
	err = f.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
