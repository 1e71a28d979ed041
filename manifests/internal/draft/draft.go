package draft

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/needed"
	"github.com/satchel-airgap/satchel/oci/text"
)

// VersionError says that clusters cannot be updated to a version.
type VersionError struct{ Why, hint string }

func (e *VersionError) Error() string { return e.Why }

// Hint says which version to name.
func (e *VersionError) Hint() string { return e.hint }

// Permanent reports that the same version is wrong every time.
func (e *VersionError) Permanent() bool { return true }

// Write writes a configuration for clusters. With a version it leads there from what they run. The
// notes say what is not in it.
func Write(list []*cluster.State, to string) (body []byte, notes []string, err error) {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b *cluster.State) int { return strings.Compare(a.Name, b.Name) })
	w := &writer{list: list, needs: needed.Of(list)}
	if err := w.read(to); err != nil {
		return nil, nil, err
	}
	w.head()
	w.platform()
	w.operators()
	w.images()
	if !w.any {
		return nil, nil, &VersionError{"nothing is known that the clusters need", "give the output of the query of the cluster"}
	}
	body = []byte(w.b.String())
	cfg, err := imageset.Parse("the new configuration", body)
	if err == nil {
		err = cfg.CheckSupported()
	}
	if err != nil {
		return nil, nil, fmt.Errorf("write a configuration: %w", err)
	}
	return body, append(w.needs.Notes, w.notes...), nil
}

// writer is one configuration.
type writer struct {
	list   []*cluster.State
	needs  *needed.Needs
	runs   []runs // what is known of the clusters
	target *semver.Version
	b      strings.Builder
	off    string // begins lines that are commented out
	any    bool
	notes  []string
}

// line writes a line with so many levels above it.
func (w *writer) line(level int, format string, args ...any) {
	w.b.WriteString(strings.Repeat("  ", level) + w.off + text.Printable(fmt.Sprintf(format, args...)) + "\n")
}

// note says something to the person who asked, and in the file.
func (w *writer) note(level int, format string, args ...any) {
	line := text.ASCII(fmt.Sprintf(format, args...))
	w.notes = append(w.notes, line)
	w.line(level, "# Note: %s", line)
}

func (w *writer) head() {
	w.line(0, "# What these clusters need to be cut off from the internet:")
	for _, r := range w.runs {
		w.line(0, "#   %s", r)
	}
	w.line(0, "# Charts are not in it: clusters do not know where those came from.")
	if w.target == nil {
		w.line(0, "# Releases are those that run now; name a maxVersion to bring updates.")
	}
	w.line(0, "kind: ImageSetConfiguration")
	w.line(0, "apiVersion: mirror.openshift.io/v2alpha1")
	w.line(0, "mirror:")
}

var (
	plainWord    = regexp.MustCompile(`^[a-z]([a-zA-Z0-9./_:@+-]*[a-zA-Z0-9])?$`)
	plainVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+\.[0-9]+[0-9A-Za-z.+-]*$`)
	notText      = []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
)

// quoted writes a value of YAML that stays the text that it is.
func quoted(s string) string {
	if plainWord.MatchString(s) && !slices.Contains(notText, strings.ToLower(s)) || plainVersion.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(text.ASCII(s), "'", "''") + "'"
}
