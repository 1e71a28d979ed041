package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// TestDamageComesFirst has the exit code tell what is wrong with the bundle, not
// what broke because of it.
func TestDamageComesFirst(t *testing.T) {
	err := &bundle.DamageError{Dir: "d", Faults: []bundle.Fault{{File: "its content", What: "is wrong"}}, Err: &oci.UnsupportedError{What: "m", Why: "w"}}
	if code := exitCode(err); code != exitDamaged {
		t.Errorf("exit %d for %v", code, err)
	}
}

// TestInterruptionHidesNothing tells an interruption from what failed beside it.
func TestInterruptionHidesNothing(t *testing.T) {
	stopped := fmt.Errorf("pull x: %w", context.Canceled)
	full := &bundle.DriveError{Op: "write", Path: "p", Err: syscall.ENOSPC}
	for _, c := range []struct {
		err  error
		only bool
	}{
		{stopped, true},
		{errors.Join(stopped, context.Canceled), true},
		{fmt.Errorf("image y: %w", errors.Join(stopped, nil)), true},
		{errors.Join(stopped, full), false},
		{fmt.Errorf("image y: %w", errors.Join(stopped, full)), false},
		{full, false},
	} {
		if got := onlyCancelled(c.err); got != c.only {
			t.Errorf("%v: %v", c.err, got)
		}
	}
}

// TestHints: what errors say to do, from the outside in, with the flags of this command.
func TestHints(t *testing.T) {
	t.Parallel()
	wrong := &oci.DigestError{}
	refused := &transport.RegistryError{Op: "pull", Ref: "q.example/a", Status: 401}
	plain := &transport.PlainHTTPError{Host: "q.example"}
	damage := &bundle.DamageError{Dir: "a drive", Faults: []bundle.Fault{{File: "its content", What: "is wrong"}}, Err: wrong}
	missing := &transport.RegistryError{Op: "pull", Ref: "m.example/a", Status: 404}
	unsure := &transport.RegistryError{Op: "push", Ref: "m.example/a", Err: plain}
	away := &transport.RegistryError{Op: "pull", Ref: "q.example/a", Status: 503}
	const terminal = "run it on a terminal, or give passphrases in a file (--passphrase-file FILE, or --new-passphrase-file FILE of rekey)"
	const key = "give a key file or a passphrase of one of its recipients (-i KEY, --passphrase or --passphrase-file FILE)"
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"none":                       {errors.New("x"), nil},
		"a library's, with a flag":   {fmt.Errorf("image: %w", refused), []string{refused.Hint() + " (--authfile FILE)"}},
		"joined, each once":          {errors.Join(refused, fmt.Errorf("a: %w", plain), refused), []string{refused.Hint() + " (--authfile FILE)", plain.Hint() + " (--tls-verify=false)"}},
		"what is outside goes first": {usage(plain, "outside"), []string{"outside", plain.Hint() + " (--tls-verify=false)"}},
		"damage judges its cause":    {damage, []string{damage.Hint() + " (satchel repair 'a drive')", restHint(damage), "to list all that is wrong: satchel verify 'a drive'; of a bundle on several drives, name the directories of all that are there"}},
		"damage that is listed":      {&listedError{err: damage}, []string{damage.Hint(), restHint(damage)}},
		"damage beyond repair":       {&beyondRepairError{damage, []string{"a drive"}}, []string{(&beyondRepairError{damage, []string{"a drive"}}).Hint(), "to list all that is wrong: satchel verify 'a drive'; of a bundle on several drives, name the directories of all that are there"}},
		"no key":                     {fmt.Errorf("open: %w", bundle.ErrNoKey), []string{key}},
		"no key, joined":             {errors.Join(bundle.ErrNoKey, nil), []string{key}},
		"a recipient's passphrase":   {&bundle.RecipientError{Recipient: "r", Err: bundle.ErrNoTerminal}, []string{terminal}},
		"a probe without TLS":        {&transport.ProbeError{Problem: transport.ProblemTLS, Err: unsure}, []string{plain.Hint() + " (--tls-verify=false)"}},
		"a probe that is denied":     {&transport.ProbeError{Problem: transport.ProblemDenied, Err: refused}, []string{refused.Hint() + " (--authfile FILE)"}},
		"nothing was stopped":        {errors.Join(&pack.UncomparedError{}, away), []string{(&pack.UncomparedError{}).Hint(), "run the same command again when the registry can be reached"}},
		"a gap":                      {&oci.Gap{Err: refused}, []string{refused.Hint() + " (--authfile FILE)", "or finish without such images, which are then listed (--keep-going)"}},
		"a gap that is allowed":      {&prepare.AllowedError{Gap: &oci.Gap{Err: refused}}, []string{refused.Hint() + " (--authfile FILE)"}},
		"many locations":             {&transport.LocationError{Ref: "q.example/a", Locations: []string{"q", "m"}, Errs: []error{refused, missing}}, []string{refused.Hint() + " (--authfile FILE)"}},
		"a platform of an image": {&prepare.AllowedError{Gap: &oci.Gap{Err: &oci.PartError{Platforms: []string{"linux/arm64"}, Err: missing}}},
			[]string{"if linux/arm64 is not needed, leave it out: name the other platforms (platforms: in the configuration)"}},
		"a damaged platform": {&oci.PartError{Platforms: []string{"linux/arm64"}, Err: damage}, []string{damage.Hint() + " (satchel repair 'a drive')", restHint(damage), "to list all that is wrong: satchel verify 'a drive'; of a bundle on several drives, name the directories of all that are there"}},
		"away": {&prepare.AwayError{Gap: &oci.Gap{Image: oci.Image{Source: oci.Ref{Registry: "q.example", Repository: "a"}}, Err: away}},
			[]string{(&prepare.AwayError{}).Hint(), away.Hint()}},
		"a gap that nobody allowed": {&oci.Gap{Image: oci.Image{Source: oci.Ref{Registry: "q.example", Repository: "a", Tag: "v1"}}, Err: &transport.MissingBlobError{}}, []string{(&transport.MissingBlobError{}).Hint(), "or finish without such images, which are then listed (--keep-going)"}},
		"quoted":                    {&gapsError{gapCount{images: 1}, "a b.json", []string{"satchel", "pack", "-c", "it's.yaml", "--only", "a b.json"}}, []string{`carry them later with: satchel pack -c 'it'\''s.yaml' --only 'a b.json' DIR, into another DIR`}},
	} {
		if got := hints(c.err); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

// TestShellWords gives a shell the words that it takes for these.
func TestShellWords(t *testing.T) {
	t.Parallel()
	words := []string{"", "a b", "it's", "$HOME", "tab\there", "plain-1.yaml", "new\nline", "~", "x=y;z", "*", "red\x1b[31m'\\f", "c1\u009b and \xff9"}
	if line := shellWords(words); text.Printable(line) != line {
		t.Errorf("a terminal obeys %q", line)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("bash is not installed")
	}
	out, err := proctest.Command(t, bash, "-c", "printf '%s\\0' "+shellWords(words)).Output()
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); err != nil || !slices.Equal(got, words) {
		t.Errorf("%q from %s, %v", got, shellWords(words), err)
	}
}

// TestSiteFlags: a hint about the cluster's YAML names the flag to change.
func TestSiteFlags(t *testing.T) {
	t.Parallel()
	_, _, err := manifests.Emit(&oci.Inventory{}, manifests.Site{Mirror: oci.Mirror{Host: "mirror.example"}, CA: []byte("nothing")})
	if lines, hints := explain(err); exitCode(err) != exitUsage || len(lines) != 1 || len(hints) != 1 || !strings.HasSuffix(hints[0], " (--ca-file)") {
		t.Errorf("got %v, hints %q", err, hints)
	}
	site := reflect.TypeFor[manifests.Site]()
	for _, field := range []string{"Mirror", "PullSecret", "Credential", "NodeSecret", "PullFrom", "CA", "PresentCA", "PresentImage", "CatalogNames"} {
		if _, ok := site.FieldByName(field); !ok || fieldFlags[field] == "" {
			t.Errorf("%s is no field of Site, or no flag sets it", field)
		}
	}
}

// TestExitCodes holds each kind of error to its documented exit code.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for code, list := range map[int][]error{
		exitUsage: {
			&bundle.NeedsError{}, &bundle.RefusedError{}, &bundle.MixedError{}, &bundle.RecipientError{}, &manifests.ConfigError{},
			&manifests.InputError{Err: io.EOF}, &manifests.SiteError{}, &manifests.ChartError{}, &oci.CollisionError{}, &oci.UnsupportedError{},
			&oci.LayoutError{}, &transport.AuthfileError{}, &transport.ConfigError{}, usage(io.EOF, ""),
		},
		exitDamaged: {&bundle.DamageError{}, &bundle.UnfinishedError{}, &bundle.FingerprintError{}, &bundle.RekeyError{}},
		exitKey:     {bundle.ErrNoKey, bundle.ErrWrongKey},
		exitDrive: {&bundle.SpaceError{}, &bundle.NoBundleError{}, &bundle.MissingError{}, &bundle.DriveError{}, &bundle.TooLargeError{},
			&pack.NextDriveError{Why: &bundle.RefusedError{}}},
		exitRegistry: {&transport.RegistryError{}, &transport.MissingBlobError{}, &transport.PlainHTTPError{}, &transport.BlockedError{}, &manifests.FetchError{}},
		exitFailed:   {&oci.DigestError{}, io.EOF},
	} {
		for _, err := range list {
			if got := exitCode(unprinted{err}); got != code {
				t.Errorf("%T exits with %d, want %d", err, got, code)
			}
		}
	}
}

// unprinted is an error that wraps one which may be too empty for words.
type unprinted struct{ err error }

func (u unprinted) Error() string { return "it failed" }
func (u unprinted) Unwrap() error { return u.err }

// TestReceiptsOfPrune: a receipt that says nothing is as wrong as an intent, and not a failure; so is a pack that is resumed
// without its --keep-going.
func TestReceiptsOfPrune(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&baseline.PrunedError{Mirror: "mirror.example"}, &baseline.IntentError{}, &pack.WithoutError{Label: "K3V6Q2MZ-1"}} {
		if code := exitCode(fmt.Errorf("pack: %w", err)); code != exitUsage {
			t.Errorf("%T: exit status %d", err, code)
		}
	}
}
