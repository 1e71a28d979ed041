package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"slices"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// Exit codes; exitHelp explains them to users.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitGaps        = 3
	exitDamaged     = 4
	exitKey         = 5
	exitDrive       = 6
	exitRegistry    = 7
	exitInterrupted = 130
)

const exitHelp = `Exit status:
  0    all done
  1    failed
  2    usage or configuration
  3    finished with gaps (--keep-going); they are listed
  4    the bundle is damaged, unfinished, incomplete or not the one expected
  5    wrong or missing key
  6    no space, or a drive is missing or read-only
  7    a registry refused or could not be reached
  130  interrupted; run the same command again to go on`

// usageError is a mistake in what was typed or configured.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// usage makes an error of one that is the user's to mend, nil of nil.
func usage(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &usageError{err, hint}
}

// as is errors.As for a type of which only the presence matters.
func as[T error](err error) bool {
	var target T
	return errors.As(err, &target)
}

// exitCode chooses the documented code; what is damaged comes before what
// broke because of it.
func exitCode(err error) int {
	var out *outDirError
	switch {
	case as[*interruptedError](err):
		return exitInterrupted
	case as[*gapsError](err), as[*plannedGapsError](err):
		return exitGaps
	case as[*bundle.DamageError](err):
		return exitDamaged
	case as[*usageError](err), as[*manifests.ConfigError](err), as[*manifests.SiteError](err), as[*manifests.ChartError](err), as[*bundle.RefusedError](err),
		as[*bundle.MixedError](err), as[*bundle.RecipientError](err), as[*bundle.NeedsError](err),
		as[*oci.CollisionError](err), as[*oci.UnsupportedError](err), as[*oci.LayoutError](err), as[*transport.AuthfileError](err), as[*transport.ConfigError](err):
		return exitUsage
	case errors.Is(err, bundle.ErrWrongKey), errors.Is(err, bundle.ErrNoKey):
		return exitKey
	case as[*bundle.UnfinishedError](err), as[*bundle.FingerprintError](err),
		as[*bundle.RekeyError](err):
		return exitDamaged
	case as[*bundle.SpaceError](err), as[*bundle.NoBundleError](err), as[*bundle.MissingError](err), as[*bundle.DriveError](err),
		as[*bundle.TooLargeError](err):
		return exitDrive
	case errors.As(err, &out) && out.drive():
		return exitDrive
	case as[*oci.DigestError](err):
		return exitFailed
	case as[*transport.RegistryError](err), as[*transport.PlainHTTPError](err), as[*transport.BlockedError](err), as[*manifests.FetchError](err):
		return exitRegistry
	case strings.HasPrefix(err.Error(), "unknown command"): // cobra gives no type
		return exitUsage
	}
	return exitFailed
}

// explain gives one line for each thing that went wrong, then hints.
func explain(err error) (lines, hinted []string) {
	for _, e := range flatten(err) {
		lines = append(lines, oneLine(e.Error()))
		for _, h := range hints(e) {
			if !slices.Contains(hinted, h) {
				hinted = append(hinted, h)
			}
		}
	}
	return lines, hinted
}

// flatten takes errors that were joined apart, and leaves out what is only the
// echo of a cancelled run beside them.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || strings.Count(err.Error(), "\n") == 0 {
		return []error{err}
	}
	var list []error
	for _, e := range joined.Unwrap() {
		if e != nil && !errors.Is(e, context.Canceled) {
			list = append(list, flatten(e)...)
		}
	}
	if len(list) == 0 {
		return []error{err}
	}
	return list
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// hints says what to do now.
func hints(err error) []string {
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	var use *usageError
	if errors.As(err, &use) && use.hint != "" {
		add("%s", use.hint)
	}
	var conf *manifests.ConfigError
	if errors.As(err, &conf) && conf.Hint != "" {
		add("%s", conf.Hint)
	}
	var site *manifests.SiteError
	if errors.As(err, &site) && site.Hint() != "" {
		add("%s%s", site.Hint(), siteFlag(site.Field))
	}
	var unsigned *manifests.SignatureError
	if errors.As(err, &unsigned) && unsigned.Hint != "" {
		add("%s", unsigned.Hint)
	}
	var ch *manifests.ChartError
	if errors.As(err, &ch) && ch.Values {
		add("give the values that the chart needs: --helm-values %s=FILE", ch.Name())
	}
	var stopped *interruptedError
	if errors.As(err, &stopped) && stopped.command != "" {
		add("go on with: %s", stopped.command)
	}
	var gaps *gapsError
	if errors.As(err, &gaps) {
		add("carry them later with: satchel pack -c %s --only %s ... DIR, into another directory", gaps.config, gaps.file)
	}
	var refused *bundle.RefusedError
	if errors.As(err, &refused) {
		if refused.Unfinished {
			add("%s: --restart", refused.Hint())
		} else {
			add("%s", refused.Hint())
		}
	}
	switch {
	case as[*bundle.MissingError](err):
		add("mount the drive and run the command again, name another directory, or use --restart to begin anew here")
	case as[*oci.CollisionError](err):
		add("carry one of the two, or carry them in two bundles for two mirror namespaces; of signatures, those of the image's other source")
	case as[*oci.PlatformError](err):
		add("ask for a platform that the image has, or finish without the image by --keep-going")
	case as[*outDirError](err):
		add("every image is in the mirror: satchel render writes the YAML again, into this directory or another")
	case as[*absentError](err):
		add("run satchel unpack first; satchel render --offline writes the YAML without asking the mirror")
	case errors.Is(err, bundle.ErrNoKey):
		add("give the key file with -i KEY, or use --passphrase")
	case errors.Is(err, bundle.ErrWrongKey):
		add("the key must belong to one of the recipients that the bundle was packed for")
	case as[*bundle.MixedError](err):
		add("use recipients of one kind, or pack two bundles")
	case as[*bundle.RekeyError](err):
		add("run the same satchel rekey again; what the bundle carries is whole, and the keys that opened it still do")
	case as[*bundle.FingerprintError](err):
		add("compare the fingerprint with the one that pack printed; if they differ, do not use this bundle")
	case as[*bundle.UnfinishedError](err):
		add("run pack again where it was packed; it goes on where it stopped")
	case as[*bundle.DamageError](err):
		for _, f := range copied(err) {
			add("the bundle has a second copy of %s: copy/%s; put it in its place and run satchel verify", f, f)
		}
		add("run satchel verify to see all that is wrong; read the drive elsewhere, or remove the bundle's directory and pack it again")
	case as[*awayError](err):
		add("--keep-going goes on without what a registry refuses, not without a registry that is away: run it again when that is back, or leave its images out with blockedImages")
	case as[*oci.LayoutError](err):
		add("copy the catalog into its directory again (a bundle that was begun wants the one with the digest that it had then)")
	case as[*oci.DigestError](err):
		add("the registry, or something between, gives wrong bytes (of a catalog in a directory: its file has them); nothing of them was kept, run the command again")
	}
	list = append(list, graphHints(err)...)
	list = append(list, keyHints(err)...)
	list = append(list, driveHints(err)...)
	return append(list, registryHints(err)...)
}

func keyHints(err error) []string {
	switch {
	case errors.Is(err, bundle.ErrNoTerminal):
		return []string{"run it on a terminal, or give passphrases by --passphrase-file (rekey: --new-passphrase-file)"}
	case errors.Is(err, exec.ErrNotFound) && (as[*bundle.RecipientError](err) || errors.Is(err, bundle.ErrWrongKey)):
		return []string{"a plugin is a program, age-plugin-NAME; install it where $PATH finds it"}
	}
	return nil
}

// copied lists the damaged files of which a bundle has a second copy.
func copied(err error) (names []string) {
	var damage *bundle.DamageError
	if !errors.As(err, &damage) {
		return nil
	}
	for _, f := range damage.Faults {
		if f.Copied() && !slices.Contains(names, f.File) {
			names = append(names, f.File)
		}
	}
	return names
}

func driveHints(err error) []string {
	var space *bundle.SpaceError
	switch {
	case as[*bundle.TooLargeError](err):
		return []string{"take larger drives, or leave out what needs it"}
	case errors.As(err, &space):
		return []string{"make room on the drive or take a larger one; nothing was written yet"}
	case !as[*bundle.DriveError](err):
		return nil
	case errors.Is(err, syscall.ENOSPC):
		return []string{"make room on the drive and run the same command again; it goes on where it stopped"}
	case errors.Is(err, syscall.EROFS):
		return []string{"the drive is mounted read-only, or its lock switch is set"}
	case errors.Is(err, fs.ErrPermission):
		return []string{"the directory may not be written by this user"}
	case errors.Is(err, fs.ErrNotExist):
		return []string{"is the drive mounted?"}
	}
	return []string{"see that the drive is still plugged in and mounted, then run the same command again"}
}

func registryHints(err error) []string {
	var reg *transport.RegistryError
	var probe *transport.ProbeError
	if errors.As(err, &probe) && probeHint(probe.Problem) != "" {
		return []string{probeHint(probe.Problem)}
	}
	switch {
	case as[*transport.ForeignError](err):
		return []string{"have the registry accept the URLs of foreign layers (distribution: validation.manifests.urls.allow in its configuration), or leave the image out"}
	case as[*transport.PlainHTTPError](err):
		return []string{"if that registry is meant to speak plain HTTP, use --tls-verify=false"}
	case as[*transport.BlockedError](err):
		return []string{"take the rule out of registries.conf, or give another file with --registries-conf"}
	case !errors.As(err, &reg):
		return nil
	}
	if h := troubleHints[reg.Trouble()]; h != "" {
		return []string{h}
	}
	return nil
}

const (
	hintAgain = "run the same command again when the registry can be reached; it goes on where it stopped"
	hintLogin = "are there credentials for this registry and repository in the file given with --authfile, and do they allow it?"
)

// troubleHints says what to do about each sort of trouble with a registry.
var troubleHints = map[transport.Trouble]string{
	transport.TroubleAuthority:    "give the authority's certificate with --ca-file FILE, or put it into a certs.d directory or one given with --cert-dir",
	transport.TroubleExpired:      "is this host's clock right? otherwise the registry needs a new certificate",
	transport.TroubleHostName:     "use one of the names that the certificate is for, or give the registry a certificate for this name",
	transport.TroubleTLS:          "if the registry wants a client certificate, put *.cert and *.key into a certs.d directory or one given with --cert-dir",
	transport.TroublePlainHTTP:    "if that registry is meant to speak plain HTTP, use --tls-verify=false",
	transport.TroubleRefused:      "is the port right, and does the registry run? then run the same command again; it goes on where it stopped",
	transport.TroubleName:         "is the name right, and does name resolution work on this host?",
	transport.TroubleLost:         hintAgain,
	transport.TroubleProxy:        "see HTTPS_PROXY and NO_PROXY in the environment",
	transport.TroubleUnauthorized: hintLogin,
	transport.TroubleForbidden:    hintLogin,
	transport.TroubleNotFound:     "is the name right? some registries say this, too, when credentials are missing",
	transport.TroubleTooMany:      "the registry limits how much is asked of it: run the same command again later, with a smaller --parallel-layers; it goes on where it stopped",
	transport.TroubleServer:       hintAgain,
	transport.TroubleFull:         "make room on the registry's disk and run the same command again; it goes on where it stopped",
	transport.TroubleOther:        "",
}
