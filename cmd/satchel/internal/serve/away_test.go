package serve

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/jobtest"
)

// TestDriveNotHere: of a bundle on several drives, those that are not here are named at the start, with the
// images that need them; a pull of those is answered with the drive's label, all others work.
func TestDriveNotHere(t *testing.T) {
	t.Parallel()
	set := jobtest.NewDriveSet(t, 411)
	h := &host{t: t, log: &jobtest.Log{}}
	r := set.Open(set.Dirs[2])
	if _, err := r.Attach(t.Context(), set.Dirs[0]); err != nil {
		t.Fatal(err)
	}
	label := r.Drives()[1].Label()
	s := h.served(h.options(), r)
	said := h.log.String()
	if !strings.Contains(said, "1 image waits for drive 2 of 3 ("+label+"), which is not here: ") {
		t.Errorf("%s", said)
	}
	if rep := s.Report(); rep.Images != len(r.Inventory().Images)-1 || rep.Waits() != "; 1 image waits for drive 2 of 3 ("+label+")" {
		t.Errorf("%+v", rep)
	}
	other := &host{t: t, log: &jobtest.Log{}}
	if rep := other.served(other.options(), set.Open(set.Dirs[2]), set.Open(set.Dirs[2])).Report(); strings.Contains(other.log.String(), "all images can be pulled") || rep.Images < 0 || rep.Images+len(rep.Waiting[0].Images) > len(r.Inventory().Images) || strings.Count(rep.Waits(), ";") > 2 {
		t.Errorf("the same bundle twice: %+v", rep)
	}
	var refused int
	for _, img := range r.Inventory().Images {
		place := s.Place.Repo(img).Repository
		if g := s.ask("GET", "/v2/"+place+"/manifests/v1"); g.StatusCode != 200 {
			t.Errorf("the manifest of %s: %d", place, g.StatusCode)
		}
		for d := range s.repos[place].blobs {
			switch g := s.ask("GET", "/v2/"+place+"/blobs/"+d.String()); {
			case g.StatusCode == 200:
			case g.StatusCode == 503 && codeOf(g) == codeUnavailable && strings.Contains(string(g.body), label) && strings.Contains(said, img.Source.String()):
				refused++
			default:
				t.Errorf("%s of %s: %d %s", d, place, g.StatusCode, g.body)
			}
		}
	}
	if refused == 0 {
		t.Error("nothing was on the drive that is not here")
	}
	if strings.Contains(strings.TrimPrefix(h.log.String(), said), "level=WARN") {
		t.Errorf("each request is said again:\n%s", h.log)
	}
}

// TestDamagedEarlierDrive: damage on any drive of a bundle is said once, with the file, its drive's directory
// and the command that lists the rest.
func TestDamagedEarlierDrive(t *testing.T) {
	t.Parallel()
	set := jobtest.NewDriveSet(t, 412)
	segments, err := filepath.Glob(filepath.Join(set.Dirs[0], "s-*"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	for _, name := range segments {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		body[len(body)/2] ^= 1
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	h := &host{t: t, log: &jobtest.Log{}}
	r := set.Open(set.Dirs[2])
	for _, dir := range set.Dirs[:2] {
		if _, err := r.Attach(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
	}
	s := h.served(h.options(), r)
	for range 2 {
		for place, repo := range s.repos {
			for d := range repo.blobs {
				s.ask("GET", "/v2/"+place+"/blobs/"+d.String())
			}
		}
	}
	var warned []string
	for line := range strings.Lines(h.log.String()) {
		if strings.Contains(line, "level=WARN") && strings.Contains(line, "is damaged") {
			warned = append(warned, line)
		}
	}
	for _, want := range []string{"the bundle in " + set.Dirs[0] + " is damaged: s-0", "satchel verify " + strings.Join(set.Dirs, " ")} {
		if len(warned) != 1 || !strings.Contains(warned[0], want) {
			t.Errorf("one warning is to have %q: %q", want, warned)
		}
	}
}
