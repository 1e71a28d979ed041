package transport

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/oci"
)

// advising is what every error type of the package says of itself.
type advising interface {
	error
	Hint() string
	Permanent() bool
}

func TestPermanent(t *testing.T) {
	t.Parallel()
	ref := oci.Ref{Registry: "example.com", Repository: "app"}
	away := func(err error) bool {
		var reg *RegistryError
		return errors.As(err, &reg) && reg.Away()
	}
	for _, c := range []struct {
		err             advising
		permanent, away bool
	}{
		{&RegistryError{Status: 400}, true, false},
		{&RegistryError{Status: 401}, true, false},
		{&RegistryError{Status: 404}, true, false},
		{&RegistryError{Status: 408}, false, false},
		{&RegistryError{Status: 429}, false, true},
		{&RegistryError{Status: 500}, false, true},
		{&RegistryError{Status: 503}, false, true},
		{&RegistryError{Status: 507, full: true}, false, false},
		{&RegistryError{Err: syscall.ECONNREFUSED}, false, true},
		{&RegistryError{Err: io.ErrUnexpectedEOF}, false, true},
		{&RegistryError{Err: &BlockedError{}}, false, false},
		{&RegistryError{Err: fmt.Errorf("read: %w", &oci.DigestError{})}, true, false},
		{&RegistryError{Err: &oci.UnsupportedError{}}, true, false},
		{&StatusError{Status: 404}, true, false},
		{&StatusError{Status: 502}, false, false},
		{&SizeError{}, true, false},
		{&MissingBlobError{Repo: ref}, true, false},
		{&MissingBlobError{Repo: ref, Gone: true}, true, false},
		{&BlockedError{}, false, false},
		{&PlainHTTPError{}, false, false},
		{&AuthfileError{}, false, false},
		{&ConfigError{}, false, false},
		{&ForeignError{Err: &RegistryError{Status: 500}}, false, false},
		{&ProbeError{Err: &RegistryError{Status: 403}}, true, false},
		{&ProbeError{Err: &RegistryError{Status: 503}}, false, true},
	} {
		if got := c.err.Permanent(); got != c.permanent {
			t.Errorf("%T %+v: permanent is %v", c.err, c.err, got)
		}
		if got := away(c.err); got != c.away && !errors.As(c.err, new(*ForeignError)) {
			t.Errorf("%T %+v: away is %v", c.err, c.err, got)
		}
	}
}

// TestHints wants a hint for each trouble and problem that has a remedy, and none
// that names a command or its flags: a library does not know them.
func TestHints(t *testing.T) {
	t.Parallel()
	all := map[string]string{}
	for trouble := TroubleOther + 1; trouble <= TroubleFull; trouble++ {
		if trouble != TroubleBlocked { // has a type and a hint of its own
			all[fmt.Sprint("trouble ", trouble)] = hints[trouble]
		}
	}
	for _, p := range []Problem{ProblemCredentials, ProblemDenied, ProblemReadOnly, ProblemProject, ProblemDepth, ProblemUntagged, ProblemSparse, ProblemFull} {
		all[string(p)] = (&ProbeError{Problem: p}).Hint()
	}
	for _, e := range []advising{&MissingBlobError{}, &BlockedError{}, &PlainHTTPError{}, &ForeignError{}, &ProbeError{Problem: ProblemTLS, Err: &RegistryError{Err: &PlainHTTPError{}}}} {
		all[fmt.Sprintf("%T", e)] = e.Hint()
	}
	for what, hint := range all {
		if hint == "" || strings.Contains(hint, "--") || strings.Contains(hint, "satchel ") || strings.HasSuffix(hint, ".") {
			t.Errorf("%s: hint %q", what, hint)
		}
	}
}
