package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
	"github.com/satchel-airgap/satchel/oci"
)

var (
	sum      = strings.Repeat("0a", 32)
	manifest = digest.FromString("manifest")
	layer    = digest.FromString("layer")
	empty    = digest.FromString("")
	header   = Header{Version: 1, Bundle: "abcdefghijklmnop", Created: time.Unix(1767225600, 0).UTC()}
	segments = []Segment{
		{Name: "s-00-00001.age", Drive: 1, Size: 2000, SHA256: sum, Tar: 1512},
		{Name: "s-00-00002.age", Drive: 1, Size: 2000, SHA256: sum, Tar: 1536},
		{Name: "s-01-00001.age", Drive: 1, Size: 3000, SHA256: sum, Tar: 3000},
	}
	blobs = []Blob{
		{layer, 2000, []Piece{{0, 512, 1000}, {1, 0, 1000}}},
		{empty, 0, []Piece{{1, 1536, 0}}},
		{manifest, 700, []Piece{{2, 512, 700}}},
	}
	image = oci.Image{Origin: "additional", Source: oci.Ref{Registry: "example.com", Repository: "app", Tag: "v1"},
		Root: oci.Descriptor{MediaType: oci.MediaTypeManifest, Digest: manifest, Size: 700}, Platforms: []string{"linux/amd64"}, Tags: []string{"v1"}}
)

// written is the good index, packed.
func written(t testing.TB) []byte {
	t.Helper()
	var buf bytes.Buffer
	w, err := NewWriter(&buf, header)
	for _, s := range segments {
		err = errors.Join(err, w.Segment(s))
	}
	for _, b := range blobs {
		err = errors.Join(err, w.Blob(b))
	}
	if err = errors.Join(err, w.Image(image), w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func unpacked(t testing.TB, b []byte) string {
	t.Helper()
	z, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func packed(t testing.TB, text string) []byte {
	t.Helper()
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return z.EncodeAll([]byte(text), nil)
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	got, err := Read(bytes.NewReader(written(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := &Index{Header: header, Segments: segments, Blobs: map[digest.Digest]Blob{}, Inventory: oci.Inventory{Images: []oci.Image{image}}}
	for _, b := range blobs {
		want.Blobs[b.Digest] = b
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	lines := strings.Split(unpacked(t, written(t)), "\n")
	wantLine := `{"blob":{"digest":"` + layer.String() + `","size":2000,"at":[[0,512,1000],[1,0,1000]]}}`
	if len(lines) != 10 || lines[4] != wantLine || lines[8] != `{"end":{"segments":3,"blobs":3,"images":1}}` || lines[9] != "" {
		t.Errorf("text: %q", lines)
	}
	whole := unpacked(t, written(t))
	two := append(packed(t, whole[:300]), packed(t, whole[300:])...)
	if _, err := Read(bytes.NewReader(two)); err != nil {
		t.Errorf("in two frames: %v", err)
	}
}

// broken breaks one rule of FORMAT.md, section 6, each: old becomes new in the text.
var broken = map[string][2]string{
	"another version":          {`"version":1`, `"version":2`},
	"bundle ID":                {`"bundle":"abcdefghijklmnop"`, `"bundle":"../../etc/passwd"`},
	"no header":                {`{"index":{"version":1,"bundle":"abcdefghijklmnop","created":"2026-01-01T00:00:00Z"}}` + "\n", ""},
	"two headers":              {`{"segment":{"name":"s-00-00001`, `{"index":{"version":1,"bundle":"abcdefghijklmnop","created":"2026-01-01T00:00:00Z"}}` + "\n" + `{"segment":{"name":"s-00-00001`},
	"a kind in capitals":       {`{"segment"`, `{"Segment"`},
	"needs out of order":       {`"version":1`, `"version":1,"needs":["b","a"]`},
	"an unknown line":          {`{"end"`, `{"note":{}}` + "\n" + `{"end"`},
	"a line of no kind":        {`{"end"`, `{}` + "\n" + `{"end"`},
	"an empty line":            {`{"end"`, "\n" + `{"end"`},
	"two objects in a line":    {`{"end"`, `{"image":null} {"end"`},
	"two keys in a line":       {`{"end":`, `{"blob":{"digest":"x","size":1,"at":[]},"end":`},
	"a key twice":              {`{"end":`, `{"end":{},"end":`},
	"not JSON":                 {`{"end"`, `end` + "\n" + `{"end"`},
	"segment name":             {"s-00-00001.age", "../etc/x"},
	"segments out of order":    {"s-01-00001.age", "s-00-00000.age"},
	"a segment twice":          {"s-00-00002.age", "s-00-00001.age"},
	"segment size":             {`"size":3000`, `"size":-1`},
	"segment's tar bytes":      {`"tar":3000`, `"tar":-1`},
	"segment on drive 0":       {`"drive":1`, `"drive":0`},
	"segment's sum":            {sum, sum[2:]},
	"a sum in capitals":        {sum, strings.ToUpper(sum)},
	"digest":                   {layer.String(), "sha256:../../x"},
	"a digest of another kind": {layer.String(), "sha512:" + strings.Repeat("0a", 64)},
	"a blob twice":             {layer.String(), manifest.String()},
	"blob size":                {`"size":2000,"at"`, `"size":2001,"at"`},
	"minus size":               {`"size":0,"at":[[1,1536,0]]`, `"size":-1,"at":[[1,1536,-1]]`},
	"no piece":                 {`"size":0,"at":[[1,1536,0]]`, `"size":0,"at":[]`},
	"no pieces at all":         {`"size":0,"at":[[1,1536,0]]`, `"size":0`},
	"an empty piece":           {`[[0,512,1000],[1,0,1000]]`, `[[0,512,1000],[1,0,1000],[2,0,0]]`},
	"two empty pieces":         {`"size":0,"at":[[1,1536,0]]`, `"size":0,"at":[[1,1536,0],[2,0,0]]`},
	"pieces out of order":      {`[[0,512,1000],[1,0,1000]]`, `[[1,0,1000],[0,512,1000]]`},
	"two pieces in a segment":  {`[[0,512,1000],[1,0,1000]]`, `[[0,0,500],[0,512,500],[1,0,1000]]`},
	"no such segment":          {`[[2,512,700]]`, `[[3,512,700]]`},
	"segment -1":               {`[[2,512,700]]`, `[[-1,512,700]]`},
	"offset -1":                {`[[2,512,700]]`, `[[2,-1,700]]`},
	"beyond the segment":       {`[[2,512,700]]`, `[[2,2301,700]]`},
	"far beyond the segment":   {`[[2,512,700]]`, `[[2,9223372036854775807,700]]`},
	"a piece of four numbers":  {`[[2,512,700]]`, `[[2,512,700,0]]`},
	"a piece of two numbers":   {`[[2,512,700]]`, `[[2,512]]`},
	"a piece of fractions":     {`[[2,512,700]]`, `[[2,512.5,700]]`},
	"overlapping pieces":       {`[[2,512,700]]`, `[[1,900,700]]`},
	"the same bytes":           {`[[2,512,700]]`, `[[1,0,700]]`},
	"a root that is absent":    {`"digest":"` + manifest.String() + `","size":700}`, `"digest":"` + sumDigest + `","size":700}`},
	"a root of another size":   {manifest.String() + `","size":700}`, manifest.String() + `","size":701}`},
	"a root of no manifest":    {oci.MediaTypeManifest, "text/plain"},
	"a reference":              {"example.com/app:v1", "app:v1"},
	"a tag":                    {`"tags":["v1"]`, `"tags":["../v1"]`},
	"count of segments":        {`"segments":3`, `"segments":2`},
	"count of blobs":           {`"blobs":3`, `"blobs":4`},
	"count of images":          {`"images":1`, `"images":0`},
	"no end":                   {`{"end":{"segments":3,"blobs":3,"images":1}}` + "\n", ""},
	"two ends":                 {`{"end"`, `{"end":{"segments":3,"blobs":3,"images":1}}` + "\n" + `{"end"`},
	"a segment after blobs":    {`{"image"`, `{"segment":{"name":"s-02-00001.age","drive":1,"size":1,"sha256":"` + sum + `","tar":1}}` + "\n" + `{"image"`},
	"a blob after images":      {`{"end"`, `{"blob":{"digest":"` + sumDigest + `","size":1,"at":[[2,0,1]]}}` + "\n" + `{"end"`},
	"text after the end":       {`"images":1}}` + "\n", `"images":1}}` + "\nx\n"},
}

const sumDigest = "sha256:0000000000000000000000000000000000000000000000000000000000000000"

func TestRules(t *testing.T) {
	t.Parallel()
	text := unpacked(t, written(t))
	for name, c := range broken {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(text, c[0]) {
				t.Fatalf("%q is not in the index", c[0])
			}
			changed := strings.Replace(text, c[0], c[1], 1)
			if _, err := Read(bytes.NewReader(packed(t, changed))); !errors.Is(err, ErrFormat) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestUnknownKeys adds keys that this version does not know to every line: a later
// one may write them without a need for them, so a reader ignores them.
func TestUnknownKeys(t *testing.T) {
	t.Parallel()
	want, err := Read(bytes.NewReader(written(t)))
	if err != nil {
		t.Fatal(err)
	}
	text := unpacked(t, written(t))
	changed := strings.ReplaceAll(text, `":{"`, `":{"later":{"x":[1]},"`)
	if got, err := Read(bytes.NewReader(packed(t, changed))); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestNeeds has the header need what no version has yet: what follows may be
// anything, and is no damage.
func TestNeeds(t *testing.T) {
	t.Parallel()
	text := unpacked(t, written(t))
	changed := strings.Replace(text, `"version":1`, `"version":1,"needs":["future"],"packedBy":"9.9.1"`, 1)
	changed = strings.Replace(changed, `{"segment"`, `{"stripe"`, 1)
	var needs *seal.NeedsError
	if _, err := Read(bytes.NewReader(packed(t, changed))); !errors.As(err, &needs) || errors.Is(err, ErrFormat) || needs.PackedBy != "9.9.1" {
		t.Errorf("%v", err)
	}
}

// TestCutAnywhere cuts the packed and the plain text at every byte.
func TestCutAnywhere(t *testing.T) {
	t.Parallel()
	whole := written(t)
	for n := range whole {
		if _, err := Read(bytes.NewReader(whole[:n])); !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d of %d packed bytes: %v", n, len(whole), err)
		}
	}
	text := unpacked(t, whole)
	for n := range text[:len(text)-1] {
		if _, err := Read(bytes.NewReader(packed(t, text[:n]))); !errors.Is(err, ErrFormat) {
			t.Errorf("cut at %d of %d bytes: %v", n, len(text), err)
		}
	}
}

func TestLineLimit(t *testing.T) {
	t.Parallel()
	long := image
	long.Tags = []string{strings.Repeat("a", maxLine)}
	w, err := NewWriter(io.Discard, header)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Image(long); err == nil {
		t.Error("a line of more than 16 MiB is written")
	}
	text := `{"index":{"version":1,"bundle":"` + strings.Repeat("a", maxLine) + `"}}` + "\n"
	if _, err := Read(bytes.NewReader(packed(t, text))); !errors.Is(err, ErrFormat) {
		t.Errorf("a line of more than 16 MiB is read: %v", err)
	}
}

// TestReadersError is distinguished from a broken format.
func TestReadersError(t *testing.T) {
	t.Parallel()
	gone := errors.New("the drive is gone")
	whole := written(t)
	_, err := Read(io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), failing{gone}))
	if !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	if errors.Is(err, ErrFormat) {
		t.Errorf("a drive that is gone is called a broken format: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzIndex reads any text: what is accepted, written again, reads as the same.
func FuzzIndex(f *testing.F) {
	text := unpacked(f, written(f))
	f.Add(text)
	for _, c := range broken {
		f.Add(strings.Replace(text, c[0], c[1], 1))
	}
	f.Fuzz(func(t *testing.T, text string) {
		idx, err := Read(bytes.NewReader(packed(t, text)))
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.As(err, new(*seal.NeedsError)) {
				t.Errorf("an error of no kind: %v", err)
			}
			return
		}
		var buf bytes.Buffer
		w, err := NewWriter(&buf, idx.Header)
		for _, s := range idx.Segments {
			err = errors.Join(err, w.Segment(s))
		}
		for _, b := range idx.Blobs {
			err = errors.Join(err, w.Blob(b))
		}
		for _, i := range idx.Inventory.Images {
			err = errors.Join(err, w.Image(i))
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Skip("a time or a text that JSON cannot hold")
		}
		again, err := Read(&buf)
		if err != nil {
			t.Fatalf("what was read and written cannot be read: %v", err)
		}
		a, aerr := json.Marshal(idx)
		b, berr := json.Marshal(again)
		if aerr != nil || berr != nil || !bytes.Equal(a, b) {
			t.Errorf("%s\n%s, %v, %v", a, b, aerr, berr)
		}
	})
}
