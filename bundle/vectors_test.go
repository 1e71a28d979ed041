package bundle_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
)

// TestVectors reads every bundle that an earlier version packed.
func TestVectors(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("../testdata/vectors/*/*/vector.txt")
	if err != nil || len(names) < 7 {
		t.Fatalf("vectors %q, %v", names, err)
	}
	for _, name := range names {
		dir := filepath.Dir(name)
		t.Run(strings.TrimPrefix(dir, "../testdata/vectors/"), func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			v := vector{dir: filepath.Join(dir, "bundle"), head: header(t, string(body))}
			if v.head["plain"] == "yes" {
				v.want.Plain = true
			} else if v.keys, err = bundle.ReadIdentities([]string{filepath.Join(dir, "key.txt")}, nil); err != nil {
				t.Fatal(err)
			}
			expect := map[string]func(*testing.T, vector){
				"whole": isWhole, "damaged": isDamaged, "truncated": isTruncated, "unfinished": isUnfinished, "needs": hasNeeds, "sparse": isSparse,
				"beside": isBeside, "closed": isClosed, "refused": isRefused, "wrong": isWrong, "line ends": hasLineEnds,
			}[v.head["expect"]]
			if expect == nil {
				t.Fatalf("expect: %q", v.head["expect"])
			}
			expect(t, v)
		})
	}
}

type vector struct {
	dir  string
	head map[string]string
	keys []bundle.Identity
	want bundle.Wanted
}

// header reads the lines before the first empty one.
func header(t *testing.T, text string) map[string]string {
	t.Helper()
	head := map[string]string{}
	text, _, _ = strings.Cut(text, "\n\n")
	for line := range strings.Lines(text) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			t.Fatalf("line %q", line)
		}
		head[key] = value
	}
	return head
}

func (v vector) count(t *testing.T, key string, got int) {
	t.Helper()
	if want, err := strconv.Atoi(v.head[key]); err != nil || got != want {
		t.Errorf("%s: %d, want %q", key, got, v.head[key])
	}
}

func isWhole(t *testing.T, v vector) {
	if r, err := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{}); err != nil || len(r.Faults) > 0 {
		t.Errorf("Verify: %+v, %v", r, err)
	}
	want := v.want
	if _, signed := v.head["signatures"]; signed {
		var err error
		if want.Trust, err = bundle.LoadTrust([]string{filepath.Join(filepath.Dir(v.dir), "signers")}, 1); err != nil {
			t.Fatal(err)
		}
	}
	r, err := bundle.Open(t.Context(), []string{v.dir}, want, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	if want.Trust != nil {
		v.count(t, "signatures", len(r.Signed()))
	}
	v.count(t, "images", len(r.Inventory().Images))
	v.count(t, "gaps", len(r.Inventory().Gaps))
	v.count(t, "documents", len(r.Inventory().Documents))
	_, _, blobs := r.Stat()
	read := map[string]bool{}
	if err := readAll(t.Context(), r, read); err != nil || len(read) != blobs {
		t.Errorf("%d of %d blobs read, %v", len(read), blobs, err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// readAll reads what the inventory reaches and notes the digests that are right.
func readAll(ctx context.Context, r *bundle.Reader, read map[string]bool) error {
	var roots []oci.Descriptor
	for _, img := range r.Inventory().Images {
		roots = append(roots, img.Root)
	}
	for _, doc := range r.Inventory().Documents {
		roots = append(roots, doc.Root)
	}
	src := oci.Verified(r)
	for _, root := range roots {
		err := oci.Walk(ctx, src, root, func(d oci.Descriptor, _ []byte) error {
			rc, err := src.Open(ctx, d, 0)
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, rc)
			if err = errors.Join(err, rc.Close()); err == nil {
				read[d.Digest.String()] = true
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// faulty wants faults in the files that are named, and in no others.
func (v vector) faulty(t *testing.T, door string, err error) {
	t.Helper()
	var damage *bundle.DamageError
	var files []string
	if errors.As(err, &damage) {
		for _, f := range damage.Faults {
			files = append(files, f.File)
		}
	}
	slices.Sort(files)
	if strings.Join(slices.Compact(files), " ") != v.head["fault"] {
		t.Errorf("%s: %v", door, err)
	}
}

func isDamaged(t *testing.T, v vector) {
	_, err := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	v.faulty(t, "Verify", err)
	r, err := bundle.Open(t.Context(), []string{v.dir}, v.want, v.keys)
	if err != nil {
		t.Fatal(err)
	}
	v.faulty(t, "reading", readAll(t.Context(), r, map[string]bool{}))
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func isTruncated(t *testing.T, v vector) {
	_, err := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	v.faulty(t, "Verify", err)
	_, err = bundle.Open(t.Context(), []string{v.dir}, bundle.Wanted{}, v.keys)
	v.faulty(t, "Open", err)
}

func isUnfinished(t *testing.T, v vector) {
	_, verr := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	_, oerr := bundle.Open(t.Context(), []string{v.dir}, bundle.Wanted{}, v.keys)
	for door, err := range map[string]error{"Verify": verr, "Open": oerr} {
		if !errors.As(err, new(*bundle.UnfinishedError)) {
			t.Errorf("%s: %v", door, err)
		}
	}
}

func hasNeeds(t *testing.T, v vector) {
	_, verr := bundle.Verify(t.Context(), []string{v.dir}, bundle.VerifyOptions{})
	_, oerr := bundle.Open(t.Context(), []string{v.dir}, bundle.Wanted{}, v.keys)
	for door, err := range map[string]error{"Verify": verr, "Open": oerr} {
		var needs *bundle.NeedsError
		if !errors.As(err, &needs) || !slices.Equal(needs.Features, []string{v.head["feature"]}) {
			t.Errorf("%s: %v", door, err)
		}
	}
}
