package octest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// queried finds the resources that the line of a query asks for.
var queried = regexp.MustCompile(`^[a-z]+(\.[a-z.]+)?$`)

// Answer is what the line of a query writes in a cluster that has some objects, in YAML, and no others.
// Resources that are refused, by their names in the line, have no answer.
func Answer(line string, objects []string, refused ...string) string {
	var b strings.Builder
	mark := func(key, value string) { fmt.Fprintf(&b, "---\nkind: SatchelQuery\n%s: %s\n---\n", key, value) }
	_, version, _ := strings.Cut(line, `version: %s\n---\n' "`)
	version, _, _ = strings.Cut(version, `"`)
	mark("version", version)
	for _, o := range objects {
		b.WriteString("---\n" + strings.TrimPrefix(strings.TrimSuffix(o, "\n"), "---\n") + "\n")
	}
	_, list, _ := strings.Cut(line, "for r in ")
	list, _, _ = strings.Cut(list, "; do ")
	words := strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" '|()", r) })
	for _, name := range append(words, "configmaps/openshift-config", "configmaps/openshift-config-managed") {
		plain, _, _ := strings.Cut(name, "/")
		if !queried.MatchString(plain) || slices.Contains([]string{"echo", "sed", "grep"}, name) {
			continue
		}
		if !strings.Contains(name, "/") {
			mark("asked", name)
		}
		if !slices.Contains(refused, name) {
			mark("answered", name)
		}
	}
	mark("end", "true")
	return b.String()
}
