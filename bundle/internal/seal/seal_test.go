package seal

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"os"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

const id = "abcdefghijkl2347"

var (
	sum = strings.Repeat("0a", 32)
	at  = time.Unix(1767225600, 0).UTC()

	drive = Drive{Version: driveVersion, Bundle: id, Drive: 1, Complete: true,
		Files: []File{{"s-00-00001.age", 5, sum}, {"s-00-00003.age", 7, sum}, {"s-01-00001.age", 9, sum}}}
	bundle = Bundle{Version: bundleVersion, Bundle: id, Created: at, Sequence: 1,
		Drives: []DriveSum{{Drive: 1, SHA256: sum}, {Drive: 2, SHA256: sum}}, Index: File{IndexName, 7, sum}, Needs: Uses("1.2.3", Drives)}
	extras = Extras{Version: extrasVersion, Bundle: id, Seal: sum, Files: []File{{"key-1.age", 5, sum}, {"key-2.age", 5, sum}}}

	// One of three drives.
	second = Drive{Version: driveVersion, Bundle: id, Drive: 2, Label: "ABCDEFGH-2", Of: 3, Readme: ReadmeDrives, Complete: true, Files: drive.Files}
	beside = Extras{Version: extrasVersion, Bundle: id, Drive: sum, Files: []File{{"drive.json.sig", 5, sum}, {"key-1.age", 5, sum}}, Needs: SignedBy("1.2.3")}
)

// kinds is each file with its reader and writer.
var kinds = map[string]struct {
	value any
	parse func([]byte) (any, error)
	write func(any) ([]byte, error)
}{
	"second drive.json":  {second, func(b []byte) (any, error) { return ParseDrive(b) }, func(v any) ([]byte, error) { return v.(Drive).Marshal() }},
	"second extras.json": {beside, func(b []byte) (any, error) { return ParseExtras(b) }, func(v any) ([]byte, error) { return v.(Extras).Marshal() }},
	"drive.json":         {drive, func(b []byte) (any, error) { return ParseDrive(b) }, func(v any) ([]byte, error) { return v.(Drive).Marshal() }},
	"bundle.json":        {bundle, func(b []byte) (any, error) { return ParseBundle(b) }, func(v any) ([]byte, error) { return v.(Bundle).Marshal() }},
	"extras.json":        {extras, func(b []byte) (any, error) { return ParseExtras(b) }, func(v any) ([]byte, error) { return v.(Extras).Marshal() }},
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for name, k := range kinds {
		body, err := k.write(k.value)
		if err != nil {
			t.Fatal(err)
		}
		back, err := k.parse(body)
		if err != nil || !reflect.DeepEqual(back, k.value) {
			t.Errorf("%s: %+v, want %+v; %v", name, back, k.value, err)
		}
		again, err := k.write(back)
		if err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s written again: %s; %v", name, again, err)
		}
	}
	want := `{
 "satchel": "extras/1",
 "bundle": "` + id + `",
 "seal": "` + sum + `",
 "files": [
  {
   "name": "key-1.age",
   "size": 5,
   "sha256": "` + sum + `"
  }
 ]
}
`
	e := extras
	e.Files = e.Files[:1]
	if body, err := e.Marshal(); err != nil || string(body) != want {
		t.Errorf("%s, want %s; %v", body, want, err)
	}
	local := bundle
	local.Created = at.In(time.FixedZone("here", 3600)).Add(999 * time.Millisecond)
	if body, err := local.Marshal(); err != nil || !bytes.Contains(body, []byte(`"created": "2026-01-01T00:00:00Z"`)) {
		t.Errorf("the time is written as %s, %v", body, err)
	}
}

// TestRefused changes the text of a good file in one place.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, old, new string }{
		"a name in other letters": {"drive.json", `"label"`, `"lable"`},
		// Unknown fields are accepted (TestUnknownFields), but in the one form only.
		"one field more, crowded": {"drive.json", `"drive": 1,`, `"drive": 1, "x": 0,`},
		"one field more, twice":   {"drive.json", `"drive": 1,`, "\"drive\": 1,\n \"x\": 0,\n \"x\": 1,"},
		"a field in two cases":    {"drive.json", `"drive": 1,`, "\"drive\": 1,\n \"Drive\": 2,"},
		"only in another case":    {"drive.json", `"label"`, "\"x\": 0,\n \"Label\""},
		"more, and a field less":  {"drive.json", ` "label": "",`, ` "x": 0,`},
		"needs, out of order":     {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"needs\": [\n  \"b\",\n  \"a\"\n ],"},
		"needs, a path":           {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"needs\": [\n  \"../a\"\n ],"},
		"needs, no list":          {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"needs\": \"a\","},
		"needs, hidden by a fold": {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"needs\": [\n  \"a\"\n ],\n \"need\u017f\": [],\n \"x\": 0,"},
		"a field twice, folded":   {"drive.json", `"size": 5,`, "\"size\": 5,\n   \"\u017fize\": 5,\n   \"x\": 0,"},
		"a list with one more":    {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"x\": 0,\n \"Drives\": [],"},
		"a known field elsewhere": {"bundle.json", "\"index\": {", "\"packedBy\": \"1.2.3\",\n \"index\": {"},
		"packed by control codes": {"extras.json", `"seal":`, "\"packedBy\": \"\\u001b[2J\",\n \"seal\":"},
		"two drives, and no need": {"bundle.json", `"drives"` + "\n ]", `"baseline"` + "\n ]"},
		"another kind":            {"drive.json", "drive/1", "bundle/1"},
		"a later version":         {"drive.json", "drive/1", "drive/2"},
		"no version":              {"extras.json", "extras/1", ""},
		"bundle ID too short":     {"drive.json", id, id[1:]},
		"bundle ID in capitals":   {"bundle.json", id, strings.ToUpper(id)},
		"bundle ID of a path":     {"bundle.json", id, "../../aaaaaaaaaa"},
		"drive 0":                 {"drive.json", `"drive": 1,`, `"drive": 0,`},
		"drive 101":               {"drive.json", `"drive": 1,`, `"drive": 101,`},
		"segments out of order":   {"drive.json", "s-01-00001.age", "s-00-00002.age"},
		"a segment twice":         {"drive.json", "s-00-00003.age", "s-00-00001.age"},
		"a segment's bad name":    {"drive.json", "s-00-00001.age", "s-00-00000.age"},
		"a path":                  {"drive.json", "s-00-00001.age", "../00-00001.age"},
		"a key in drive.json":     {"drive.json", "s-00-00001.age", "key-1.age"},
		"a negative size":         {"drive.json", `"size": 5`, `"size": -5`},
		"a fraction":              {"drive.json", `"size": 5`, `"size": 5.5`},
		"a number beyond int64":   {"drive.json", `"size": 5`, `"size": 9223372036854775808`},
		"a sum in capitals":       {"drive.json", sum, strings.ToUpper(sum)},
		"a sum too short":         {"drive.json", sum, sum[2:]},
		"a sum of other letters":  {"drive.json", sum, "zz" + sum[2:]},
		"something after it":      {"drive.json", "]\n}\n", "]\n}\n{}"},
		"no drives":               {"bundle.json", `"drives": [`, `"drives": [], "index": [`},
		"drives out of order":     {"bundle.json", `"drive": 1`, `"drive": 2`},
		"sequence 0":              {"bundle.json", `"sequence": 1`, `"sequence": 0`},
		"another index":           {"bundle.json", "index.age", "s-00-00001.age"},
		"no time":                 {"bundle.json", "2026-01-01T00:00:00Z", "yesterday"},
		"an index of minus bytes": {"bundle.json", `"size": 7`, `"size": -7`},
		"a seal that is none":     {"extras.json", `"seal": "0a`, `"seal": "a`},
		"a key's bad name":        {"extras.json", "key-1.age", "key-0.age"},
		"a segment in extras":     {"extras.json", "key-1.age", "s-00-00001.age"},
		"keys out of order":       {"extras.json", "key-1.age", "key-3.age"},
		"not JSON":                {"extras.json", "{", "["},
		"drive 2 of 1":            {"second drive.json", `"of": 3`, `"of": 1`},
		"more drives than may be": {"second drive.json", `"of": 3`, `"of": 101`},
		"another drive's label":   {"second drive.json", "ABCDEFGH-2", "ABCDEFGH-1"},
		"a label of no bundle":    {"second drive.json", "ABCDEFGH-2", "IJKLABCD-2"},
		"no seal and no drive":    {"second extras.json", ` "drive": "` + sum + `",` + "\n", ""},
		"a seal and a drive":      {"second extras.json", ` "drive": "`, ` "seal": "` + sum + `",` + "\n" + ` "drive": "`},
		"half a seal":             {"second extras.json", ` "drive": "` + sum[:32], ` "seal": "` + sum[:32] + `",` + "\n" + ` "drive": "`},
		"a signature of the seal": {"second extras.json", "drive.json.sig", "bundle.json.sig"},
		"one of the drive":        {"extras.json", "key-1.age", "drive.json.sig"},
		// FORMAT.md, section 7: the bytes are of one form.
		"no newline at the end":   {"extras.json", "]\n}\n", "]\n}"},
		"two newlines at the end": {"drive.json", "]\n}\n", "]\n}\n\n"},
		"other indentation":       {"bundle.json", "{\n \"", "{\n  \""},
		"a field in capitals":     {"drive.json", `"label"`, `"LABEL"`},
		"a field twice":           {"drive.json", `"drive": 1,`, `"drive": 9, "drive": 1,`},
		"a field left out":        {"drive.json", ` "label": "",` + "\n", ""},
		"time with a fraction":    {"bundle.json", "00:00:00Z", "00:00:00.5Z"},
		"time of another zone":    {"bundle.json", "00:00:00Z", "00:00:00+01:00"},
	} {
		t.Run(name, func(t *testing.T) {
			k := kinds[c.kind]
			body, err := k.write(k.value)
			if err != nil || !bytes.Contains(body, []byte(c.old)) {
				t.Fatalf("%q is not in %s, %v", c.old, body, err)
			}
			changed := bytes.Replace(body, []byte(c.old), []byte(c.new), 1)
			if v, err := k.parse(changed); !errors.Is(err, ErrFormat) {
				t.Errorf("read as %+v, %v", v, err)
			}
		})
	}
	for name, k := range kinds {
		if _, err := k.parse(nil); !errors.Is(err, ErrFormat) {
			t.Errorf("an empty %s: %v", name, err)
		}
	}
}

// TestUnknownFields adds fields that this version does not know: a later one may,
// without a need to, so a reader ignores them.
func TestUnknownFields(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ kind, old, new string }{
		"of the drive":  {"drive.json", `"drive": 1,`, "\"drive\": 1,\n \"later\": {\n  \"x\": []\n },"},
		"of a file":     {"drive.json", `"size": 5,`, "\"size\": 5,\n   \"mode\": 0,"},
		"of the seal":   {"bundle.json", `"sequence": 1,`, "\"sequence\": 1,\n \"later\": null,"},
		"of the extras": {"extras.json", `"seal":`, "\"later\": \"x\",\n \"seal\":"},
	} {
		k := kinds[c.kind]
		body, err := k.write(k.value)
		if err != nil || !bytes.Contains(body, []byte(c.old)) {
			t.Fatalf("%s: %q is not in %s, %v", name, c.old, body, err)
		}
		changed := bytes.Replace(body, []byte(c.old), []byte(c.new), 1)
		v, err := k.parse(changed)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if again, err := k.write(v); err != nil || !bytes.Equal(again, body) {
			t.Errorf("%s: what is known of it is %s, %v", name, again, err)
		}
	}
}

// TestDeepFields: a small file that would be large once indented is refused before
// that takes memory.
func TestDeepFields(t *testing.T) {
	const depth = 9000
	body, err := bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	deep := strings.Repeat("[", depth) + strings.Repeat("[],", 20_000) + "0" + strings.Repeat("]", depth)
	body = bytes.Replace(body, []byte(`"sequence": 1,`), []byte("\"sequence\": 1,\n \"x\": "+deep+","), 1)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = ParseBundle(body)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrFormat) || used > 64<<20 {
		t.Errorf("%d bytes took %d bytes of memory: %v", len(body), used, err)
	}
}

func TestManyFields(t *testing.T) {
	t.Parallel()
	body, err := bundle.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var more strings.Builder
	for i := range maxKeys {
		fmt.Fprintf(&more, "\n \"x%d\": \"\\\\\\\"{\",", i)
	}
	for n, ok := range map[string]bool{more.String()[:strings.LastIndex(more.String(), "\n \"x900")]: true, more.String(): false} {
		_, err = ParseBundle(bytes.Replace(body, []byte(`"sequence": 1,`), []byte(`"sequence": 1,`+n), 1))
		if (err == nil) != ok || !ok && !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes more: %v", len(n), err)
		}
	}
}

// TestNeeds has a seal need what no version has yet: that is no damage, whatever
// else is in it.
func TestNeeds(t *testing.T) {
	t.Parallel()
	b := bundle
	b.Needs = Needs{Needs: []string{"future", "stripes-2"}, PackedBy: "9.9.1"}
	e := extras
	e.Needs = b.Needs
	for name, v := range map[string]interface{ Marshal() ([]byte, error) }{"bundle.json": b, "extras.json": e} {
		body, err := v.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range [][]byte{body, bytes.Replace(body, []byte(`"index.age"`), []byte(`"other.age"`), 1), bytes.Replace(body, []byte(`"key-1.age"`), []byte(`"p-000-01.par"`), 1)} {
			var needs *NeedsError
			_, err := kinds[name].parse(text)
			if !errors.As(err, &needs) || errors.Is(err, ErrFormat) || len(needs.Features) != 2 || !strings.Contains(err.Error(), "the features future and stripes-2") || !strings.Contains(err.Error(), "packed by satchel 9.9.1: use that or newer") {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		seg         Segment
		known, temp bool
	}{
		"s-00-00001.age":     {Segment{0, 1, false}, true, true},
		"s-99-99999.age":     {Segment{99, 99999, false}, true, true},
		"s-99-99999.zst":     {Segment{99, 99999, true}, true, true},
		"index.zst":          {known: true, temp: true},
		"s-00-00001.zs":      {},
		"s-00-00000.age":     {},
		"s-100-00001.age":    {},
		"s-0-00001.age":      {},
		"s-00-00001.age\n":   {},
		"xs-00-00001.age":    {},
		"s-00-00001.age.tmp": {temp: true},
		"S-00-00001.age":     {},
		"index.age":          {known: true, temp: true},
		"key-1.age":          {known: true, temp: true},
		"key-99.age":         {known: true, temp: true},
		"key-0.age":          {},
		"key-01.age":         {},
		"key-10000.age":      {},
		"copy":               {},
		"copy/index.age":     {},
		"index.age.tmp":      {temp: true},
		"index.age.tmp.tmp":  {},
		".tmp":               {},
		"":                   {},
		"SHA256SUMS":         {known: true, temp: true},
		"sha256sums":         {},
	} {
		seg, ok := ParseSegment(name)
		if ok != (want.seg != Segment{}) || ok && (seg != want.seg || seg.String() != name) {
			t.Errorf("%q is segment %v, %v", name, seg, ok)
		}
		if Known(name, false) != want.known || Known(name, true) != want.temp {
			t.Errorf("%q is known %v, as a temporary file %v", name, Known(name, false), Known(name, true))
		}
	}
}

// TestSums has sha256sum check what Sums writes.
func TestSums(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("sha256sum")
	if err != nil {
		t.Skip("sha256sum is not installed")
	}
	dir := t.TempDir()
	var list []File
	for i := range 4 {
		body := fmt.Appendf(nil, "body %d", i)
		f := FileOf(fmt.Sprintf("file-%d", 3-i), body)
		list = append(list, f)
		if err := os.WriteFile(filepath.Join(dir, f.Name), body, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sums := Sums(list)
	if list[0].Name != "file-3" || !bytes.HasPrefix(sums, []byte(list[3].SHA256+"  file-0\n")) {
		t.Errorf("order: %s", sums)
	}
	check := func(text []byte) error {
		cmd := proctest.Command(t, program, "--strict", "-c", "-")
		cmd.Dir, cmd.Stdin = dir, bytes.NewReader(text)
		return cmd.Run()
	}
	if err := check(sums); err != nil {
		t.Error(err)
	}
	if err := os.Truncate(filepath.Join(dir, "file-2"), 3); err != nil {
		t.Fatal(err)
	}
	if check(sums) == nil {
		t.Error("sha256sum finds nothing wrong with a truncated file")
	}
}

func TestReadme(t *testing.T) {
	t.Parallel()
	one := []Opening{{File: "key-1.age", Identity: "KEY", Note: "with your key"}}
	two := append(one, Opening{File: "key-2.age", Note: "with the passphrase"})
	for _, ways := range [][]Opening{one, two} {
		s := string(About{Bundle: id, Age: "age 1.3 or newer", Why: "a reason", Ways: ways}.Readme(ReadmeText))
		if !strings.Contains(s, id) || strings.Contains(s, "%!") || !strings.Contains(s, "age 1.3 or newer (a reason)") {
			t.Errorf("README.txt:\n%s", s)
		}
		for _, w := range ways {
			if !strings.Contains(s, w.command(ReadmeText)) || !strings.Contains(s, w.Note) {
				t.Errorf("README.txt does not tell how to open %s:\n%s", w.File, s)
			}
		}
	}
}

// TestReadmeWordings: bundles of earlier versions keep theirs to the byte, and one of a later
// version has none here.
func TestReadmeWordings(t *testing.T) {
	t.Parallel()
	ways := []Opening{{File: "key-1.age", Identity: "KEY", Note: "with your key"}}
	wording := func(n int) []byte { return About{Bundle: id, Age: "age", Why: "any version", Ways: ways}.Readme(n) }
	for n, want := range []string{
		"212770eb2d198dc4cbe243879b9ad30ec949029aebcad470440955914b275fca",
		"212770eb2d198dc4cbe243879b9ad30ec949029aebcad470440955914b275fca",
		"6e73dba5b5aa3457e2323d0765439fd05a24a3d065e6ebbf09ef36d91f910ae0",
		"137b3950ceeb36c29f70a7ee62556d0e058213921e387e455196625c77a7bf7f",
		"c213d1d8d857b6a07309f045d47166dae0797902d46225f8b6280cb51feb0251",
		"c213d1d8d857b6a07309f045d47166dae0797902d46225f8b6280cb51feb0251", // as the fourth one if it is not signed
		"c213d1d8d857b6a07309f045d47166dae0797902d46225f8b6280cb51feb0251", // as that if it is whole alone
	} {
		if got := Sum(wording(n)); got != want {
			t.Errorf("wording %d has changed: %s; bundles have it, so a new text needs a new number", n, got)
		}
	}
	signed := About{Bundle: id, Age: "age", Why: "any version", Ways: ways, Signatures: []string{"bundle.json.sig", "bundle.json.2.sig", "drive.json.sig"}}.Readme(5)
	if got := Sum(signed); got != "9f89bb2a55f28630c523d2a4f3091c6937fb20ae7981493669b0e7ed7b56f68b" {
		t.Errorf("the fifth wording of a signed bundle has changed: %s", got)
	}
	if string(About{Bundle: id, Age: "age", Why: "any version", Ways: ways, Sparse: true}.Readme(5)) != string(wording(5)) {
		t.Error("the fifth wording says something of a sparse bundle")
	}
	if got := Sum(About{Bundle: id, Age: "age", Why: "any version", Ways: ways, Sparse: true}.Readme(6)); got != "6d47503d2c9ce17858c257bbf11ee889e01788eee4dae9a4651374a13e679ac1" {
		t.Errorf("the sixth wording of a sparse bundle has changed: %s", got)
	}
	if ReadmeText != 6 || ReadmeDrives != 7 || wording(8) != nil {
		t.Errorf("the newest wordings are %d and %d", ReadmeText, ReadmeDrives)
	}
}

// FuzzSeals reads anything as each kind: what is accepted is written as it was read.
func FuzzSeals(f *testing.F) {
	for _, k := range kinds {
		body, err := k.write(k.value)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for name, k := range kinds {
			v, err := k.parse(data)
			if err != nil {
				if !errors.Is(err, ErrFormat) && !errors.As(err, new(*NeedsError)) {
					t.Errorf("%s: an error of no kind: %v", name, err)
				}
				continue
			}
			body, err := k.write(v)
			if err != nil {
				t.Fatalf("%s: read and cannot be written: %v", name, err)
			}
			again, err := k.parse(body)
			if err != nil {
				t.Fatalf("%s: what was written cannot be read: %v", name, err)
			}
			if last, err := k.write(again); err != nil || !bytes.Equal(last, body) {
				t.Errorf("%s: written twice:\n%s\n%s, %v", name, body, last, err)
			}
		}
	})
}
