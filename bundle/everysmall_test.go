package bundle

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/bundle/internal/seal"
)

// smallNames are the small files of a drive that are no second copies.
func smallNames(whole map[string][]byte) (names []string) {
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		if _, segment := seal.ParseSegment(name); !segment && !seal.IsParityFile(name) && filepath.Base(name) == name {
			names = append(names, name)
		}
	}
	return names
}

// destroyed gives what stands in a file that is destroyed in one of three ways; nil: it is deleted.
func destroyed(body []byte, way int) []byte {
	switch way {
	case 0:
		return nil
	case 1:
		body = slices.Clone(body)
		body[len(body)/2] ^= 1
		return body
	}
	return body[:len(body)/2]
}

// TestEverySmallFile destroys each small file of each drive: alone, with its copy, with a segment, and with both.
// All of it is repaired, byte for byte, or what is not is named; nothing becomes worse, and verify does not call
// a bundle unfinished.
func TestEverySmallFile(t *testing.T) {
	t.Parallel()
	signer := newSigner(t, 3).Signer
	for name, protect := range map[string]func(s *several, dirs []string){
		"across": func(s *several, dirs []string) { s.protectAcross(t, dirs, ParityRatio{Parity: 1, Data: 2}) },
		"of each": func(_ *several, dirs []string) {
			for _, dir := range dirs {
				must(AddParity(context.Background(), dir, Wanted{}, ParityRatio{Parity: 1, Data: 9}, "1.2.3", nil))(t)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSeveral(t, false, signer)
			dirs := s.copies(t)
			protect(s, dirs)
			destroyEach(t, dirs, name == "across")
		})
	}
	t.Run("one drive", func(t *testing.T) {
		t.Parallel()
		s := newSealed(t, false)
		must(Sign(context.Background(), s.drive, Wanted{}, []*Signer{signer}, "1.2.3"))(t)
		s.protect(t, "1/3")
		destroyEach(t, []string{s.drive}, false)
	})
}

// destroyEach destroys small files of drives. all says that everything must come back.
func destroyEach(t *testing.T, dirs []string, all bool) {
	t.Helper()
	var whole []map[string][]byte
	for _, dir := range dirs {
		whole = append(whole, files(t, dir))
	}
	n := 0
	for k, dir := range dirs {
		for _, name := range smallNames(whole[k]) {
			for c := range 12 {
				if n++; !soak() && n%19 != 0 {
					continue
				}
				way, bad := c%3, []string{name}
				if _, ok := whole[k]["copy/"+name]; ok && c/3%2 > 0 {
					bad = append(bad, "copy/"+name)
				}
				if c >= 6 {
					bad = append(bad, segmentFiles(t, dir)[0])
				}
				for _, name := range bad {
					put(t, dir, name, destroyed(whole[k][name], way))
				}
				what := fmt.Sprintf("drive %d, way %d: %s", k+1, way, strings.Join(bad, ", "))
				repairDestroyed(t, what, dirs, whole, k, bad, all || len(bad) == 1 || bad[1] != "copy/"+name)
				write(t, dir, whole[k])
			}
		}
	}
}

// repairDestroyed verifies and repairs a bundle of which files on the drive k are bad. all says that they must come
// back.
func repairDestroyed(t *testing.T, what string, dirs []string, whole []map[string][]byte, k int, bad []string, all bool) {
	t.Helper()
	damaged := files(t, dirs[k])
	rep, verr := Verify(context.Background(), dirs, VerifyOptions{})
	if !isDamage(verr) || isA[*UnfinishedError](verr) {
		t.Errorf("%s: verify: %v", what, verr)
		return
	}
	set, err := FindRepairs(context.Background(), dirs, Wanted{}, nil)
	if err == nil {
		err = errors.Join(set.InPlace(context.Background(), nil), set.Close())
		for _, d := range set.Lost {
			err = errors.Join(err, d.Err)
		}
	}
	now := files(t, dirs[k])
	var left []string
	for name, body := range whole[k] {
		switch {
		case string(now[name]) == string(body):
		case string(now[name]) != string(damaged[name]) || !slices.Contains(bad, name):
			t.Errorf("%s: %s is neither as it was nor whole", what, name)
		default:
			left = append(left, name)
		}
	}
	for name := range now {
		if _, ok := whole[k][name]; !ok {
			t.Errorf("%s: %s is new", what, name)
		}
	}
	if all && (err != nil || len(left) > 0) {
		t.Errorf("%s: %v; left are %v", what, err, left)
	}
	if all && (len(rep.Remedies) != len(bad) || slices.ContainsFunc(rep.Remedies, func(m Remedy) bool { return m.From == "" })) {
		t.Errorf("%s: verify says %+v, %v", what, rep.Remedies, verr)
	}
	slices.Sort(left)
	if partial, ok := errors.AsType[*RepairError](err); ok && !slices.Equal(partial.Files, left) {
		t.Errorf("%s: left are %v, and named are %v", what, left, partial.Files)
	} else if !ok && err != nil && !isDamage(err) || err == nil && len(left) > 0 {
		t.Errorf("%s: left are %v: %v", what, left, err)
	}
}
