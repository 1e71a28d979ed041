package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// TestGrouped wants one line for what is wrong with a registry as a whole.
func TestGrouped(t *testing.T) {
	t.Parallel()
	ref := func(name string) oci.Ref { return oci.Ref{Registry: "q.example", Repository: name, Tag: "1"} }
	gap := func(name string, answer transport.RegistryError) error {
		answer.Op, answer.Ref = "pull", ref(name).String()
		return &oci.Gap{Image: oci.Image{Source: ref(name)}, Err: &answer}
	}
	wrong := transport.RegistryError{Status: 401, Err: &transport.LoginError{Host: "q.example", User: "u", Status: 401}}
	absent := transport.RegistryError{Status: 404, Message: "not here"}
	probe := func(name string) error {
		return &transport.ProbeError{Repo: oci.Ref{Registry: "m.example", Repository: name}, Problem: transport.ProblemDenied,
			Err: &transport.RegistryError{Op: "push", Ref: "m.example/" + name + "@sha256:00", Status: 403}}
	}
	whole := func(name string) error {
		return &transport.ProbeError{Repo: oci.Ref{Registry: "m.example", Repository: name}, Problem: transport.ProblemTLS,
			Err: &transport.RegistryError{Op: "push", Ref: "m.example/" + name + "@sha256:00", Err: &transport.PlainHTTPError{Host: "m.example"}}}
	}
	for name, c := range map[string]struct {
		errs []error
		want []string
	}{
		"a wrong password": {[]error{gap("a/b", wrong), errors.New("x"), gap("c", wrong), gap("a/b", wrong)},
			[]string{`the registry q.example does not take the user name and password of user "u" (it answered 401): a/b, c`, "x"}},
		"once": {[]error{gap("a/b", wrong)},
			[]string{`image q.example/a/b:1: pull q.example/a/b:1: the registry q.example does not take the user name and password of user "u" (it answered 401)`}},
		"a few": {[]error{gap("a", absent), gap("b", absent)},
			[]string{"image q.example/a:1: pull q.example/a:1: the registry answered 404 not here", "image q.example/b:1: pull q.example/b:1: the registry answered 404 not here"}},
		"many": {[]error{gap("a", absent), gap("b", absent), gap("x", transport.RegistryError{Status: 404}), gap("c", absent), gap("d", absent)},
			[]string{"pull q.example: the registry answered 404 not here: a:1, b:1, c:1, d:1", "image q.example/x:1: pull q.example/x:1: the registry answered 404 not found"}},
		"a mirror": {[]error{probe("a"), probe("b"), probe("c"), probe("d")},
			[]string{"push m.example: a push is not allowed there: the registry answered 403 forbidden: a, b, c, d"}},
		"two of a mirror as a whole": {[]error{whole("a"), whole("b")},
			[]string{"push m.example: " + string(transport.ProblemTLS) + ": m.example speaks plain HTTP where TLS is required: a, b"}},
		"one of it": {[]error{whole("a")},
			[]string{"m.example/a: " + string(transport.ProblemTLS) + ": push: m.example speaks plain HTTP where TLS is required"}},
	} {
		if got := grouped(c.errs); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	var lots []error
	for i := range 60 {
		lots = append(lots, gap(fmt.Sprint("a", i), absent))
	}
	if got := grouped(lots); len(got) != 1 || len(got[0]) > 600 {
		t.Errorf("%q", got)
	}
}
