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

// TestMirrorBehind: another address of a mirror has the same repositories below its own
// namespace, also where a limit of paths, or another tool, has made their names.
func TestMirrorBehind(t *testing.T) {
	t.Parallel()
	img := Image{Source: Ref{Registry: "quay.io", Repository: "team/group/app"}}
	shared := Shared{Repository: "ocp", Paths: [2]string{"team/group/app", "x"}}
	for name, c := range map[string]struct {
		mirror Mirror
		at     Mirror
		want   string // "" where there is none
	}{
		"the same namespace":          {Mirror{Host: "m:5000", Namespace: "ocp"}, Mirror{Host: "lb.example", Namespace: "ocp"}, "lb.example/ocp/team/group/app"},
		"another":                     {Mirror{Host: "m:5000", Namespace: "ocp"}, Mirror{Host: "lb.example", Namespace: "all/of"}, "lb.example/all/of/team/group/app"},
		"none there":                  {Mirror{Host: "m:5000", Namespace: "ocp"}, Mirror{Host: "lb.example:8443"}, "lb.example:8443/team/group/app"},
		"none here":                   {Mirror{Host: "m:5000"}, Mirror{Host: "lb.example", Namespace: "ocp"}, "lb.example/ocp/team/group/app"},
		"a namespace that begins so":  {Mirror{Host: "m:5000", Namespace: "team"}, Mirror{Host: "lb.example", Namespace: "x"}, "lb.example/x/team/group/app"},
		"a limit, of the names here":  {Mirror{Host: "m:5000", Namespace: "a", MaxNestedPaths: 2}, Mirror{Host: "lb.example", Namespace: "b/c"}, "lb.example/b/c/team-group-app"},
		"a limit and no namespace":    {Mirror{Host: "m:5000", MaxNestedPaths: 2}, Mirror{Host: "lb.example", Namespace: "b"}, "lb.example/b/team/group-app"},
		"a joined namespace":          {Mirror{Host: "m:5000", Namespace: "a/b", MaxNestedPaths: 2}, Mirror{Host: "lb.example", Namespace: "c"}, ""},
		"a joined one, the same":      {Mirror{Host: "m:5000", Namespace: "a/b", MaxNestedPaths: 2}, Mirror{Host: "lb.example", Namespace: "a/b"}, "lb.example/a/b-team-group-app"},
		"a shared repository":         {Mirror{Host: "m:5000", Namespace: "ocp", Shared: shared}, Mirror{Host: "lb.example", Namespace: "b"}, "lb.example/b"},
		"a shared one without a name": {Mirror{Host: "m:5000", Namespace: "ocp", Shared: shared}, Mirror{Host: "lb.example"}, ""},
		"a shared one elsewhere":      {Mirror{Host: "m:5000", Namespace: "oc", Shared: shared}, Mirror{Host: "lb.example", Namespace: "b"}, "lb.example/ocp"},
	} {
		at, err := c.mirror.Behind(c.at)
		switch {
		case (err != nil) != (c.want == ""):
			t.Errorf("%s: %v", name, err)
		case err == nil && at.Repo(img).Name() != c.want:
			t.Errorf("%s: %s, want %s", name, at.Repo(img).Name(), c.want)
		case err == nil && at.String() != c.at.String():
			t.Errorf("%s: it is called %s", name, at)
		}
	}
}
