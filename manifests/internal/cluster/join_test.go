package cluster

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// readingOf is what the line of the query writes: a version, and pods by their names.
func readingOf(t *testing.T, change int, version string, pods ...string) string {
	t.Helper()
	var items []string
	for _, p := range pods {
		items = append(items, fmt.Sprintf("{apiVersion: v1, kind: Pod, metadata: {name: %[1]s, namespace: %[1]s}, spec: {containers: [{name: c, image: 'q.io/a/%[1]s:1'}]}}", p))
	}
	cv := strings.ReplaceAll(strings.Replace(oneVersion, "{name: version}", fmt.Sprintf("{name: version, resourceVersion: '%d'}", change), 1), "4.16.9", version)
	catalog := fmt.Sprintf("{apiVersion: operators.coreos.com/v1alpha1, kind: CatalogSource, metadata: {name: %s, namespace: openshift-marketplace}}", pods[0])
	out, errs := ask(t, map[string]string{
		"clusterversions.config.openshift.io.yaml": listOf(cv),
		"pods.yaml": listOf(items...),
		"catalogsources.operators.coreos.com.yaml": listOf(catalog),
	})
	if !strings.Contains(out, "CatalogSource") {
		t.Fatalf("%s\n%s", out, errs)
	}
	return out
}

// TestJoinReadings: of two weeks of one cluster the newer counts, whichever is named first.
func TestJoinReadings(t *testing.T) {
	t.Parallel()
	read := func(name, body string) *State {
		s, err := Read(name, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	old, now := readingOf(t, 900, "4.16.9", "gone", "stays"), readingOf(t, 1100, "4.16.12", "stays", "new")
	for _, turned := range []bool{false, true} {
		s, o := read("week-1", old), read("week-2", now)
		if turned {
			s, o = o, s
		}
		s.Join(o)
		var images []string
		for _, u := range s.Images {
			images = append(images, u.Image)
		}
		v, _ := s.Running()
		catalogs := s.Of("CatalogSource")
		if v.String() != "4.16.12" || !slices.Equal(images, []string{"q.io/a/new:1", "q.io/a/stays:1"}) || !slices.Equal(s.Namespaces(), []string{"new", "stays"}) || len(catalogs) != 1 || catalogs[0].Name != "stays" {
			t.Errorf("turned %v: %s, %q, %q, %v", turned, v, images, s.Namespaces(), catalogs)
		}
		if notes := strings.Join(s.Notes(), "\n"); !strings.Contains(notes, "are of one cluster (ID one): week-2 was written later, and of what both have, it alone counts") {
			t.Errorf("turned %v: notes %q", turned, notes)
		}
	}
	s, o := read("one", old), read("two", now)
	s.revision, o.revision = 0, 0
	if s.Join(o); !strings.Contains(strings.Join(s.Notes(), "\n"), "nothing says which was written later") || len(s.Undated()) != 2 || o.Undated() != nil {
		t.Errorf("without a time: notes %q", s.Notes())
	}
	_, err := ReadDir("x", fstest.MapFS{"week-1.yaml": {Data: []byte(old)}, "week-2.yaml": {Data: []byte(now)}})
	if err == nil || !strings.Contains(err.Error(), "week-1.yaml and week-2.yaml are two readings of one cluster") {
		t.Errorf("two in a directory: %v", err)
	}
}
