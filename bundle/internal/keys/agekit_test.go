package keys

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	agetest "c2sp.org/CCTV/age"
	"filippo.io/age"
)

// vector is one of age's test vectors: an age file, and what a reader must say of it.
type vector struct {
	expect, payload string
	identities      []string
	passphrases     []string
	armored         bool
	file            []byte
}

// readVector parses a vector: lines of a header, an empty one, the file.
func readVector(t *testing.T, body []byte) (v vector) {
	t.Helper()
	packed := false
	r := bufio.NewReader(bytes.NewReader(body))
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			break
		}
		switch key {
		case "expect":
			v.expect = value
		case "payload":
			v.payload = value
		case "identity":
			v.identities = append(v.identities, value)
		case "passphrase":
			v.passphrases = append(v.passphrases, value)
		case "armored":
			v.armored = value == "yes"
		case "compressed":
			packed = value == "zlib"
		}
	}
	var rest io.Reader = r
	if packed {
		z, err := zlib.NewReader(r)
		if err != nil {
			t.Fatal(err)
		}
		rest = z
	}
	var err error
	if v.file, err = io.ReadAll(rest); err != nil {
		t.Fatal(err)
	}
	return v
}

// ids are the keys of a vector as age has them, and as satchel reads them.
func (v vector) ids(t *testing.T) (theirs []age.Identity, ours []Identity) {
	t.Helper()
	for _, text := range v.identities {
		ids, err := age.ParseIdentities(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		same, err := ReadIdentities("key", strings.NewReader(text+"\n"), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours = append(theirs, ids...), append(ours, same...)
	}
	for _, text := range v.passphrases {
		id, err := age.NewScryptIdentity(text)
		if err != nil {
			t.Fatal(err)
		}
		id.SetMaxWorkFactor(maxWorkFactor)
		pass, err := ReadPassphrase("words", strings.NewReader(text+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		theirs, ours = append(theirs, id), append(ours, pass.Identity())
	}
	return theirs, ours
}

// stream reads the file from its beginning to its end, as age does.
func (v vector) stream(ids []age.Identity) (released []byte, err error) {
	r, err := age.Decrypt(bytes.NewReader(v.file), ids...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// TestAgeVectors takes every vector of age's own test kit for a key file, for a segment and for the
// index: satchel says the same as age, gives the same bytes, and none that are not authenticated.
func TestAgeVectors(t *testing.T) {
	t.Parallel()
	names, err := fs.Glob(agetest.Vectors, "*")
	if err != nil || len(names) < 100 {
		t.Fatalf("%d vectors, %v", len(names), err)
	}
	seen := map[string]int{}
	for _, name := range names {
		body, err := fs.ReadFile(agetest.Vectors, name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			v := readVector(t, body)
			seen[v.expect]++
			theirs, ours := v.ids(t)
			if v.armored { // FORMAT.md: binary files alone
				v.refused(t, ours)
				return
			}
			want, werr := v.stream(theirs)
			if (werr == nil) != (v.expect == "success") {
				t.Fatalf("age says %v, the vector wants %s", werr, v.expect)
			}
			if sum := sha256.Sum256(want); werr == nil && hex.EncodeToString(sum[:]) != v.payload {
				t.Fatal("age gives other bytes than the vector says")
			}
			v.asKeyFile(t, ours, werr)
			for _, id := range theirs {
				v.asSegment(t, id, want, werr)
			}
		})
	}
	for _, expect := range []string{"success", "header failure", "armor failure", "payload failure", "no match", "HMAC failure"} {
		if seen[expect] == 0 {
			t.Errorf("no vector expects %s", expect)
		}
	}
}

// refused wants an armored file to be refused in each place of a bundle.
func (v vector) refused(t *testing.T, ours []Identity) {
	t.Helper()
	_, err := Unlock(context.Background(), []File{{Name: "key-1.age", Body: v.file}}, ours)
	if fault, ok := errors.AsType[*FileError](err); !ok || !strings.Contains(fault.Why, "cannot be read") {
		t.Errorf("as a key file: %v", err)
	}
	if _, err := IsPostQuantum(bytes.NewReader(v.file)); err == nil {
		t.Error("as the index: it is taken for an age file")
	}
}

// asKeyFile unlocks the vector. Where age gives a payload, that is read, and found to be no bundle key.
func (v vector) asKeyFile(t *testing.T, ours []Identity, werr error) {
	t.Helper()
	_, err := Unlock(context.Background(), []File{{Name: "key-1.age", Body: v.file}}, ours)
	fault, isFault := errors.AsType[*FileError](err)
	opened := isFault && fault.Why == "does not hold a bundle key"
	if err == nil || opened != (werr == nil) {
		t.Errorf("as a key file: %v, and age says %v", err, werr)
	}
	if none := errors.Is(err, ErrNoMatch); none != (v.expect == "no match") && v.expect != "header failure" {
		t.Errorf("as a key file: %v, want %s", err, v.expect)
	}
}

// asSegment opens the vector for random access, as segments and the index are: from its end to its
// beginning, and once more in one piece.
func (v vector) asSegment(t *testing.T, id age.Identity, want []byte, werr error) {
	t.Helper()
	if len(v.identities)+len(v.passphrases) > 1 {
		return // a bundle has one key
	}
	r, size, err := Key{key: id}.Decrypt(bytes.NewReader(v.file), int64(len(v.file)))
	if err != nil {
		if werr == nil {
			t.Errorf("as a segment: %v, and age opens it", err)
		}
		return
	}
	got := make([]byte, size)
	bad := 0
	for at := (size - 1) / (64 << 10) * (64 << 10); at >= 0; at -= 64 << 10 {
		chunk := got[at:min(at+64<<10, size)]
		n, err := r.ReadAt(chunk, at)
		if err != nil && !errors.Is(err, io.EOF) || n < len(chunk) {
			bad++
			clear(chunk[n:])
		}
		if at+int64(n) <= int64(len(want)) && !bytes.Equal(chunk[:n], want[at:at+int64(n)]) {
			t.Errorf("as a segment: other bytes from %d on", at)
		}
	}
	all := slices.Clone(got)
	n, err := io.ReadFull(io.NewSectionReader(r, 0, size), all)
	if (err == nil || size == 0) != (bad == 0) {
		t.Errorf("as a segment: %d of its pieces cannot be read, and all of it: %v", bad, err)
	}
	if werr == nil && (bad > 0 || !bytes.Equal(got, want) || !bytes.Equal(all, want)) {
		t.Errorf("as a segment: not the payload: %v", err)
	}
	if werr != nil && (bad == 0 || !bytes.HasPrefix(want, all[:n])) {
		t.Errorf("as a segment: %d bytes are given, age gives %d and says %v", n, len(want), werr)
	}
}
