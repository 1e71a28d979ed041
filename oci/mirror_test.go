package oci

import "testing"

// TestParseMirror: localhost is a host, as in no reference (openshift/oc-mirror#513), and
// a slash at the end is no part of a path (distribution/distribution#823).
func TestParseMirror(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Mirror{
		"localhost":                {Host: "localhost"},
		"localhost/ocp":            {Host: "localhost", Namespace: "ocp"},
		"localhost:5000/":          {Host: "localhost:5000"},
		"mirror.example/ocp/a/":    {Host: "mirror.example", Namespace: "ocp/a"},
		"[::1]:5000/ocp":           {Host: "[::1]:5000", Namespace: "ocp"},
		"mirror.example:8443/ocp4": {Host: "mirror.example:8443", Namespace: "ocp4"},
	} {
		got, err := ParseMirror(in)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", in, got, err, want)
			continue
		}
		repo := got.Repo(Image{Source: Ref{Registry: "quay.io", Repository: "team/app"}})
		if repo.Registry != want.Host {
			t.Errorf("%q: an image goes to %s", in, repo)
		}
	}
	for _, in := range []string{"", "mirror", "mirror.example//ocp", "mirror.example/ocp:1", "Mirror.example/OCP"} {
		if got, err := ParseMirror(in); err == nil {
			t.Errorf("%q is taken for %+v", in, got)
		}
	}
}
