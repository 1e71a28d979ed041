package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
)

// TestEmitSaysWhatIsMissing: where neither a pull secret nor an authority was given and
// nobody asked the mirror, the notes and APPLY.md name both, and how to find out.
func TestEmitSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	const secretNote, caNote = "no credential of nodes was given", "no certificate authority was given"
	const secretStep, caStep = "Pull secret: not written\n", "The mirror's certificate authorities: not written\n"
	given := `{"auths":{"m.example:5000":{"auth":"ZmFrZTpmYWtl"}}}`
	for name, c := range map[string]struct {
		in         emitInput
		secret, ca bool
	}{
		"neither":              {emitInput{Unchecked: true}, true, true},
		"a pull secret":        {emitInput{Unchecked: true, PullSecret: given}, false, true},
		"an authority":         {emitInput{Unchecked: true, CA: testCA(t)}, true, false},
		"both":                 {emitInput{Unchecked: true, CA: testCA(t), PullSecret: given}, false, false},
		"asked without either": {emitInput{}, false, true},
	} {
		c.in.Mirror, c.in.Images = "m.example:5000", manyImages(1)
		inv, given := c.in.parse(t)
		files, notes, err := Emit(inv, given)
		must(t, err)
		all, page := strings.Join(notes, "\n"), ""
		for _, f := range files {
			if f.Name == handover.FileApply {
				page = string(f.Body)
			}
		}
		for part, want := range map[string]bool{secretNote: c.secret, caNote: c.ca} {
			if strings.Contains(all, part) != want || strings.Contains(page, "- "+part) != want {
				t.Errorf("%s: %q in the notes and the page should be %v:\n%s", name, part, want, all)
			}
		}
		for part, want := range map[string]bool{secretStep: c.secret, caStep: c.ca, "curl -sS -k -o /dev/null -w '%{http_code}\\n' https://m.example:5000/v2/": c.secret, "--ca-file": c.ca} {
			if strings.Contains(page, part) != want {
				t.Errorf("%s: %q in the page should be %v:\n%s", name, part, want, page)
			}
		}
	}
}
