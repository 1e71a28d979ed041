package helm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/Masterminds/semver/v3"
	"go.yaml.in/yaml/v3"
)

// MaxIndex is the largest index of a repository that is read, in bytes.
const MaxIndex = 64 << 20

// Entry is one version of a chart in a repository.
type Entry struct {
	Name    string   `yaml:"name" json:"name"`
	Version string   `yaml:"version" json:"version"`
	Type    string   `yaml:"type" json:"type"`
	URLs    []string `yaml:"urls" json:"urls"`     // absolute, or relative to the repository
	Digest  string   `yaml:"digest" json:"digest"` // SHA-256 of the archive in hex, or empty
}

// IsLibrary reports whether the chart is one that only other charts use.
func (e Entry) IsLibrary() bool { return isLibrary(e.Type) }

func (e Entry) String() string { return e.Name + " " + e.Version }

// Index is what a repository publishes, by the names of charts.
type Index map[string][]Entry

type indexFile struct {
	Entries Index `yaml:"entries" json:"entries"`
}

// ParseIndex reads index.yaml. Entries without name, version or URL are left out,
// as Helm does; the rest are sorted, the newest first.
func ParseIndex(data []byte) (Index, error) {
	all, err := readIndex(data)
	if err != nil {
		return nil, fmt.Errorf("it is not the index of a chart repository: %w", err)
	}
	index := Index{}
	for name, list := range all {
		list = slices.DeleteFunc(list, func(e Entry) bool { return e.Name != name || e.Version == "" || len(e.URLs) == 0 })
		slices.SortStableFunc(list, func(a, b Entry) int { return newer(a.Version, b.Version) })
		if len(list) > 0 {
			index[name] = list
		}
	}
	return index, nil
}

// newer orders versions, the newest first; what is no version comes last.
func newer(a, b string) int {
	x, xerr := semver.NewVersion(a)
	y, yerr := semver.NewVersion(b)
	switch {
	case xerr != nil && yerr != nil:
		return 0
	case xerr != nil:
		return 1
	case yerr != nil:
		return -1
	}
	return y.Compare(x)
}

func readIndex(data []byte) (Index, error) {
	var f indexFile
	if json.Valid(data) {
		err := json.Unmarshal(data, &f)
		return f.Entries, err
	}
	if index, ok := readByLines(data); ok {
		return index, nil
	}
	err := yaml.Unmarshal(data, &f)
	return f.Entries, err
}

// readByLines reads an index as Helm writes it chart by chart: a parsed index
// takes many times its size in memory. It is false for one written otherwise.
func readByLines(data []byte) (Index, bool) {
	l := indexLines{index: Index{}}
	for line := range bytes.Lines(data) {
		if !l.add(line) {
			return nil, false
		}
	}
	return l.index, l.flush() && l.seen
}

// indexLines takes an index up line by line.
type indexLines struct {
	index  Index
	part   []byte // of the entries: one chart, from its name on
	inside bool   // the entries
	seen   bool   // them, before
}

// add is false for a line that Helm would not write.
func (l *indexLines) add(line []byte) bool {
	text := bytes.TrimRight(line, " \r\n")
	indent := len(text) - len(bytes.TrimLeft(text, " "))
	switch {
	case len(text) == 0 || indent == 0 && text[0] == '#':
	case indent == 0:
		if !l.flush() || l.inside && text[0] == '-' {
			return false
		}
		l.inside = string(text) == "entries:"
		if l.inside && l.seen {
			return false
		}
		l.seen = l.seen || l.inside
		return true
	case l.inside && indent == 2 && text[indent] != '-':
		if !l.flush() {
			return false
		}
		l.part = []byte{}
	case l.inside && l.part == nil:
		return false
	}
	if l.inside && l.part != nil {
		l.part = append(l.part, line...)
	}
	return true
}

// flush reads the chart that has come to its end.
func (l *indexLines) flush() bool {
	if l.part == nil {
		return true
	}
	var one Index
	err := yaml.Unmarshal(l.part, &one)
	l.part = nil
	if err != nil || len(one) != 1 {
		return false
	}
	for name, list := range one {
		if _, twice := l.index[name]; twice {
			return false
		}
		l.index[name] = list
	}
	return true
}

// Names lists the charts of the repository.
func (x Index) Names() []string { return slices.Sorted(maps.Keys(x)) }

// Find picks a version of a chart: that very one, or the newest that fits the
// constraint; an empty one stands for the newest that is no prerelease. It is
// false if there is none; what is neither version nor constraint is an error.
func (x Index) Find(name, version string) (Entry, bool, error) {
	for _, e := range x[name] {
		if version != "" && e.Version == version {
			return e, true, nil
		}
	}
	if version == "" {
		version = "*"
	}
	fits, err := semver.NewConstraint(version)
	if err != nil {
		return Entry{}, false, fmt.Errorf("%q is neither a version nor a constraint", version)
	}
	for _, e := range x[name] {
		if v, err := semver.NewVersion(e.Version); err == nil && fits.Check(v) {
			return e, true, nil
		}
	}
	return Entry{}, false, nil
}

// IsVersion reports whether a text names one version, not a range of them.
func IsVersion(s string) bool {
	_, err := semver.NewVersion(s)
	return err == nil
}
