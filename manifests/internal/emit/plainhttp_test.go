package emit

import (
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// TestPlainHTTP: a mirror that answered without TLS needs insecureRegistries, before the
// rules, and no certificate; where nobody asked it, the words hold for both.
func TestPlainHTTP(t *testing.T) {
	t.Parallel()
	const note, step = "m.example:5000 speaks plain HTTP", "Plain HTTP: let nodes use it"
	const listed = `{"apiVersion":"config.openshift.io/v1","kind":"Image","metadata":{"name":"cluster"},"spec":{"registrySources":{"insecureRegistries":["m.example:5000"]}}}`
	for name, c := range map[string]struct {
		image            string
		plain, unchecked bool
		with, without    []string
	}{
		"plain":         {"", true, false, []string{note, step, "add `m.example:5000` to the list spec.registrySources.insecureRegistries", `"value":"m.example:5000"`, "insecure = true"}, []string{"authority", "--ca-file"}},
		"plain, listed": {listed, true, false, []string{"insecure = true"}, []string{note, step, "authority", "certificate"}},
		"TLS":           {"", false, false, []string{"no certificate authority was given: nodes must trust"}, []string{note, step, "insecure = true", "http://", "list spec.registrySources.insecureRegistries"}},
		"not asked":     {"", false, true, []string{"m.example:5000 was not asked", "https://m.example:5000/v2/", " http://m.example:5000/v2/", "insecureRegistries"}, []string{note, step, "insecure = true"}},
	} {
		in := emitInput{Unchecked: c.unchecked}
		in.Mirror, in.Images = "m.example:5000", manyImages(1)
		inv, given := in.parse(t)
		given.PlainHTTP = c.plain
		if c.image != "" {
			var err error
			given.PresentImage, err = site.ParseImageConfig("image.json", []byte(c.image))
			must(t, err)
		}
		files, notes, err := Emit(inv, given)
		must(t, err)
		all := strings.Join(notes, "\n")
		for _, f := range files {
			if f.Name == handover.FileApply || f.Name == handover.FileRegistries || f.Name == handover.FileRestore {
				if f.Name == handover.FileRestore { // its step about what the whole cluster trusts is for each mirror
					all += "\n## The way back"
				}
				all += "\n" + string(f.Body)
			}
		}
		for _, part := range c.with {
			if !strings.Contains(all, part) {
				t.Errorf("%s: %q is missing:\n%s", name, part, all)
			}
		}
		for _, part := range c.without {
			if there, _, _ := strings.Cut(all, "## The way back"); strings.Contains(there, part) {
				t.Errorf("%s: %q is there:\n%s", name, part, all)
			}
		}
		if at := strings.Index(all, step); at >= 0 && at > strings.Index(all, "Rules: where nodes find") {
			t.Errorf("%s: the step comes after the rules", name)
		}
	}
}
