package index

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

var (
	older = Source{Bundle: "bbcdefghijklmnop", Fingerprint: sum, Stream: &seal.Stream{Ledger: strings.Repeat("1c", 16), Name: "weekly"}, Sequence: 3}
	other = Source{Bundle: "cbcdefghijklmnop", Receipt: sum, Mirror: "mirror.example:5000/ocp"}
)

// baseline has an image whose manifest does not travel, and two layers.
func baseline(t testing.TB) *Baseline {
	t.Helper()
	b := &Baseline{}
	err := errors.Join(
		b.Add(digest.FromString("far"), "openshift/release", b.From(older)),
		b.Add(digest.FromString("layer 1"), "openshift/release", b.From(other)),
		b.Add(digest.FromString("layer 2"), "app", b.From(older)),
		b.Add(digest.FromString("layer 2"), "elsewhere", b.From(other)), // the first place counts
	)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// delta is an index with a baseline.
func delta(t testing.TB) []byte {
	t.Helper()
	h := header
	h.Needs = seal.Uses("1.2.3", seal.Baseline)
	far := image
	far.Source.Repository, far.Root.Digest = "far", digest.FromString("far")
	var buf bytes.Buffer
	w, err := NewWriter(&buf, h)
	for _, s := range segments {
		err = errors.Join(err, w.Segment(s))
	}
	for _, b := range blobs {
		err = errors.Join(err, w.Blob(b))
	}
	if err = errors.Join(err, w.Baseline(baseline(t)), w.Image(image), w.Image(far), w.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// TestBaseline reads what was written: places, sources, and an image of which nothing travels.
func TestBaseline(t *testing.T) {
	t.Parallel()
	got, err := Read(bytes.NewReader(delta(t)))
	if err != nil {
		t.Fatal(err)
	}
	b := got.Baseline
	if b.Len() != 3 || len(got.Inventory.Images) != 2 || !reflect.DeepEqual(b.Sources(), []Source{older, other}) {
		t.Errorf("%+v, %+v", b, got.Inventory)
	}
	for name, want := range map[string]struct {
		path string
		from Source
	}{"far": {"openshift/release", older}, "layer 1": {"openshift/release", other}, "layer 2": {"app", older}} {
		if path, from, ok := b.Find(digest.FromString(name)); !ok || path != want.path || !reflect.DeepEqual(from, want.from) {
			t.Errorf("%s: %s, %+v, %v", name, path, from, ok)
		}
	}
	var none *Baseline
	for _, b := range []*Baseline{b, none, {}} {
		if _, _, ok := b.Find(manifest); ok {
			t.Errorf("%+v has what it was not given", b)
		}
	}
	if _, _, ok := b.Find("sha256:x"); ok || none.Len() != 0 || b.Add("sha256:x", "app", 0) == nil || b.Add(layer, "../x", 0) == nil || b.Add(layer, "", 0) == nil || b.Add(layer, "app", 2) == nil {
		t.Error("it has, or takes, what is no digest, no path or of no source")
	}
	if whole, err := Read(bytes.NewReader(written(t))); err != nil || whole.Baseline != nil {
		t.Errorf("an index without one: %+v, %v", whole, err)
	}
}

// TestBaselineRefused breaks one rule of the baseline each.
func TestBaselineRefused(t *testing.T) {
	t.Parallel()
	text := unpacked(t, delta(t))
	half := func(name string) string { // of the first digest in a group
		s, err := shorten(digest.FromString(name))
		if err != nil {
			t.Fatal(err)
		}
		body, err := json.Marshal(group{place{"p", 0}, []Short{s}})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(body), `"`)[3]
	}
	line := text[strings.Index(text, `{"baseline"`):]
	line = line[:strings.Index(line, "\n")+1]
	app := `["app",0,"` + half("layer 2") + `"]`
	for name, c := range map[string][2]string{
		"not among the needs":     {`"needs":["baseline"],`, ``},
		"none, and a root is not": {line, ``},
		"two":                     {line, line + line},
		"after an image":          {line, `{"image":` + strings.Split(strings.SplitN(text, `{"image":`, 3)[1], "\n")[0] + "\n" + line},
		"null":                    {line, `{"baseline":null}` + "\n"},
		"carried too":             {half("far"), half("layer")},
		"a digest twice":          {half("layer 1"), half("far")},
		"half a digest":           {half("far"), half("far")[4:]},
		"no digest":               {app, `["app",0,""]`},
		"other base64":            {half("far"), strings.TrimRight(half("far"), "=")},
		"out of order":            {`[` + app + `,`, `[` + strings.Replace(app, `"app"`, `"zzz"`, 1) + `,`},
		"a group twice":           {app, app + `,["app",0,"` + half("layer 9") + `"]`},
		"a path that leads out":   {`"app",0`, `"../app",0`},
		"an empty path":           {`"app",0`, `"",0`},
		"of no source":            {`"app",0`, `"app",2`},
		"of source -1":            {`"app",0`, `"app",-1`},
		"two parts":               {`"app",0,`, `"app",`},
		"a source's ID":           {older.Bundle, "../etc"},
		"a source twice":          {`"from":[`, `"from":[` + strings.SplitAfter(strings.SplitN(line, `"from":[`, 2)[1], `"sequence":3}`)[0] + `,`},
		"a source's fingerprint":  {`"fingerprint":"0a`, `"fingerprint":"A`},
		"a source's stream":       {`"weekly"`, `"Weekly"`},
		"a source's number":       {`"sequence":3`, `"sequence":-3`},
		"a source's receipt":      {`"receipt":"0a`, `"receipt":"a`},
		"a mirror that is long":   {`mirror.example`, strings.Repeat("m", 2<<10)},
		"counted wrong":           {`"baseline":3}`, `"baseline":2}`},
		"not counted":             {`,"baseline":3}`, `}`},
	} {
		edited := strings.Replace(text, c[0], c[1], 1)
		if _, err := Read(bytes.NewReader(packed(t, edited))); edited == text || !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Read(bytes.NewReader(packed(t, text))); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// TestBaselineSize holds 10,000 digests in a thousand repositories in less than 200 KiB.
func TestBaselineSize(t *testing.T) {
	t.Parallel()
	rnd := rand.New(rand.NewPCG(3, 0))
	b := &Baseline{}
	for n := range 10_000 {
		d := digest.FromString(fmt.Sprint(rnd.Uint64()))
		if err := b.Add(d, fmt.Sprintf("vendor-%d/operator-%d", n%1000/9, n%1000), b.From(older)); err != nil {
			t.Fatal(err)
		}
	}
	var buf bytes.Buffer
	h := header
	h.Needs = seal.Uses("", seal.Baseline)
	w, err := NewWriter(&buf, h)
	if err = errors.Join(err, w.Baseline(b), w.Close()); err != nil {
		t.Fatal(err)
	}
	if buf.Len() > 200<<10 {
		t.Errorf("%d bytes", buf.Len())
	}
	got, err := Read(&buf)
	if err != nil || got.Baseline.Len() != b.Len() {
		t.Errorf("%v", err)
	}
}

// FuzzBaseline reads any baseline: what is accepted, written again, is the same text.
func FuzzBaseline(f *testing.F) {
	body, err := json.Marshal(baseline(f))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(body))
	f.Add(`{"from":[],"content":[]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var b, again Baseline
		if json.Unmarshal([]byte(text), &b) != nil {
			return
		}
		first, err := json.Marshal(&b)
		if err == nil {
			err = json.Unmarshal(first, &again)
		}
		second, serr := json.Marshal(&again)
		if err := errors.Join(err, serr); err != nil || !bytes.Equal(first, second) || !reflect.DeepEqual(b, again) {
			t.Errorf("%s\n%s, %v", first, second, err)
		}
	})
}
