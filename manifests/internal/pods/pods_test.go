package pods

import (
	"fmt"
	"strings"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/podlist"
)

func HexOf(c string) string { return "sha256:" + strings.Repeat(c, 64) }

func TestPodRef(t *testing.T) {
	a, b := HexOf("a"), HexOf("b")
	for _, tc := range []struct{ name, image, id, want, tag string }{
		{"by digest", "q.io/a/b@" + a, "q.io/a/b@" + a, "q.io/a/b@" + a, ""},
		{"by the digest of an index", "q.io/a/b@" + a, "q.io/a/b@" + b, "q.io/a/b@" + a, ""},
		{"by tag and digest", "q.io/a/b:v1@" + a, "", "q.io/a/b@" + a, ""},
		{"by tag", "q.io/a/b:v1", "q.io/a/b@" + a, "q.io/a/b@" + a, "v1"},
		{"by tag, from elsewhere", "q.io/a/b:v1", "r.io/a/b@" + a, "q.io/a/b:v1", "v1"},
		{"by tag, not started", "q.io/a/b:v1", "", "q.io/a/b:v1", "v1"},
		{"without a tag", "q.io/a/b", "q.io/a/b@" + a, "q.io/a/b@" + a, "latest"},
		{"short", "nginx:1", "q.io/library/nginx@" + a, "q.io/library/nginx@" + a, "1"},
		{"short, not started", "nginx", "", "docker.io/library/nginx:latest", "latest"},
		{"Docker's words", "q.io/a/b:v1", "docker-pullable://q.io/a/b@" + a, "q.io/a/b@" + a, "v1"},
		{"a config's digest", "q.io/a/b:v1", "sha256:" + strings.Repeat("c", 64), "q.io/a/b:v1", "v1"},
		{"named by a config's digest", HexOf("c"), "q.io/a/b@" + a, "q.io/a/b@" + a, ""},
		{"named by a config's digest alone", HexOf("c"), "", "it is named by the digest of its config", ""},
		{"internal", "image-registry.openshift-image-registry.svc:5000/a/b:c", "", errInside.Error(), ""},
		{"internal, long", "image-registry.openshift-image-registry.svc.cluster.local:5000/a/b@" + a, "", errInside.Error(), ""},
		{"on the node", "localhost/a/b:c", "", errInside.Error(), ""},
		{"got from inside", "b:c", "localhost:5000/a/b@" + a, errInside.Error(), ""},
		{"nonsense", "UPPER CASE", "", "image reference", ""},
		{"another hash", "q.io/a/b@sha512:" + strings.Repeat("a", 128), "", "image reference", ""},
	} {
		ref, tag, err := podRef(podlist.Use{Image: tc.image, ID: tc.id})
		if err != nil && (!strings.HasPrefix(err.Error(), tc.want) || strings.Contains(tc.want, "/")) || err == nil && (ref.String() != tc.want || tag != tc.tag) {
			t.Errorf("%s: got %s %s, %v", tc.name, ref, tag, err)
		}
	}
}

// TestPodsAreBounded stops at more images than any cluster has.
func TestPodsAreBounded(t *testing.T) {
	set := NewPods()
	for i := range maxPodImages {
		for range 2 { // the same again is no more
			if err := set.Add(podlist.Use{Image: fmt.Sprintf("q.io/a:v%d", i)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := set.Add(podlist.Use{Image: "q.io/a:other"}); err == nil || !strings.Contains(err.Error(), "more than 50000 different images") {
		t.Errorf("got %v", err)
	}
}
