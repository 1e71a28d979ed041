package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/check"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/clusters"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/copying"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/hub"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/inuse"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/places"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prune"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/serve"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/siteconfig"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
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
  3    finished with gaps (--keep-going), without signatures that nodes demand, or
       with things that a registry refused to delete; they are listed. Or check found
       what would fail, or what applications of a cluster need is unknown
  4    the bundle is damaged, unfinished, incomplete, not the one expected, not
       signed by somebody whom --trust names, or not encrypted and nobody allowed that
  5    wrong or missing key
  6    no space, or a drive is missing or read-only
  7    a registry refused or could not be reached
  130  interrupted; run the same command again to resume`

// usageError is a mistake in what was typed or configured.
type usageError struct {
	err  error
	hint string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) Hint() string  { return e.hint }

// usage makes an error of one that is the user's to fix, nil of nil.
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
	var out *outdir.WriteError
	switch {
	case as[*interruptedError](err):
		return exitInterrupted
	case as[*gapsError](err), as[*plannedGapsError](err), as[*lostDrivesError](err), as[*unpack.LostError](err), as[*manifests.UnknownApplicationsError](err), as[*receipt.MissingError](err), as[*unpack.UnsignedError](err), as[*prune.RefusedError](err), as[*check.FailsError](err):
		return exitGaps
	case as[*bundle.DamageError](err), as[*bundle.CopyError](err), as[*bundle.ReadBackError](err), as[*missingError](err), as[*noSuchBundleError](err):
		return exitDamaged
	case as[*copying.NextDriveError](err), as[*pack.NextDriveError](err), as[*pack.GoneError](err):
		return exitDrive
	case isUsage(err):
		return exitUsage
	case errors.Is(err, bundle.ErrWrongKey), errors.Is(err, bundle.ErrNoKey), as[*bundle.SignerError](err):
		return exitKey
	case as[*bundle.UnfinishedError](err), as[*oci.LimitError](err), as[*unpack.BaselineError](err), as[*serve.LackingError](err), as[*bundle.FingerprintError](err), as[*bundle.RekeyError](err), as[*bundle.SigningError](err), as[*bundle.ParityError](err), as[*bundle.RepairError](err), as[*bundle.TargetError](err), as[*bundle.TrustError](err), as[*untrustedError](err), as[*bundle.PlainError](err), as[*bundle.AloneError](err):
		return exitDamaged
	case as[*bundle.SpaceError](err), as[*bundle.NoBundleError](err), as[*bundle.MissingError](err), as[*bundle.WrongDriveError](err), as[*bundle.AwayError](err), as[*bundle.ForeignDriveError](err), as[*bundle.DriveError](err), as[*bundle.TooLargeError](err),
		as[*bundle.MountError](err), as[*bundle.StateError](err), as[*serve.StateError](err), as[*cache.Error](err), as[*limitError](err), as[*tempError](err), as[*logSpaceError](err), as[*manifests.TempError](err),
		errors.As(err, &out) && out.Disk():
		return exitDrive
	case as[*oci.DigestError](err):
		return exitFailed
	case as[*check.UnreachableError](err), as[*unpack.NodesError](err), as[*transport.RegistryError](err), as[*transport.MissingBlobError](err), as[*transport.BlobError](err), as[*transport.ManifestError](err), as[*transport.TagError](err), as[*transport.ArtifactError](err), as[*transport.SignatureError](err), as[*transport.DeleteError](err), as[*transport.PlainHTTPError](err), as[*transport.BlockedError](err), as[*manifests.FetchError](err):
		return exitRegistry
	}
	return exitFailed
}

// isUsage reports whether an error is of what was typed or configured.
func isUsage(err error) bool {
	var signer *bundle.SignerError
	return errors.As(err, &signer) && signer.Input || as[*bundle.TrustFileError](err) || as[*siteconfig.Error](err) || as[*usageError](err) || as[*copying.CountError](err) || as[*places.SizeError](err) || as[*bundle.LinkListError](err) || as[*bundle.ListError](err) || as[*bundle.NoJournalError](err) || as[*bundle.SupplementError](err) || as[*pack.WithoutError](err) || as[*pack.NoDriveError](err) || as[*pack.WaitingError](err) || as[*pack.OtherConfigError](err) || as[*notAdoptedError](err) || as[*gaps.FileError](err) || as[*hub.FileError](err) || as[*prepare.ListError](err) || as[*outdir.RefusedError](err) ||
		as[*manifests.ConfigError](err) || as[*manifests.InputError](err) || as[*manifests.NoReleaseError](err) || as[*manifests.NoOperatorError](err) || as[*manifests.DraftError](err) || as[*inuse.FileError](err) || as[*clusters.FileError](err) || as[*manifests.SiteError](err) || as[*manifests.ChartError](err) ||
		as[*pack.ChangedError](err) || as[*bundle.RefusedError](err) || as[*bundle.NeedsError](err) || as[*bundle.MixedError](err) || as[*bundle.RecipientError](err) ||
		as[*catalogs.ShrinkError](err) || as[*manifests.CatalogMergeError](err) || as[*unpack.LayoutError](err) || as[*oci.CollisionError](err) || as[*oci.UnsupportedError](err) || as[*oci.LayoutError](err) || as[*oci.VersionError](err) ||
		as[*ledger.DamageError](err) || as[*ledger.GoneError](err) || as[*baseline.NoneArrivedError](err) || as[*baseline.SitesError](err) || as[*ledger.UnknownSiteError](err) || as[*baseline.IntentError](err) || as[*baseline.PrunedError](err) || as[*ledger.UnknownError](err) || as[*ledger.AmbiguousError](err) || as[*ledger.WhichSiteError](err) || as[*ledger.OtherSiteError](err) ||
		as[*transport.AuthfileError](err) || as[*transport.ConfigError](err) ||
		strings.HasPrefix(err.Error(), "unknown command") // cobra gives no type
}

// explain gives one line for each thing that went wrong, then hints.
func explain(err error) (lines, hinted []string) {
	all := flatten(err)
	lines = grouped(all)
	for _, e := range all {
		for _, h := range hints(e) {
			if !slices.Contains(hinted, h) {
				hinted = append(hinted, h)
			}
		}
	}
	return lines, hinted
}

// configured gives the error of a file that this host's registries are configured with, if
// that is the cause: it says the same of every image. Otherwise it gives err.
func configured(err error) error {
	var authfile *transport.AuthfileError
	var config *transport.ConfigError
	switch {
	case errors.As(err, &authfile):
		return authfile
	case errors.As(err, &config):
		return config
	}
	return err
}

// flatten takes joined errors apart, and leaves out what is only the echo of a
// cancelled run.
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
