package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/outdir"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport"
)

// hints gives what the errors of a tree say to do now, from the outside in, each once,
// with the flags that do it. The way around a gap comes last.
func hints(err error) (list []string) {
	if hint := limitHint(err); hint != "" {
		return []string{hint}
	}
	uncompared := as[*pack.UncomparedError](err)
	gap := false
	var damage *bundle.DamageError
	if errors.As(err, &damage) && !as[*listedError](err) {
		defer func() {
			list = append(list, "to list all that is wrong: satchel verify "+damagedDir(damage)+"; of a bundle on several drives, name the directories of all that are there")
		}()
	}
	for todo := []error{err}; len(todo) > 0; {
		e := todo[0]
		todo = todo[1:]
		if e == nil {
			continue
		}
		hint := withFlags(e)
		//lint:ignore errorlint it is unwrapped here
		if damage, ok := e.(*bundle.DamageError); ok {
			hint = listedHint(err, damage, hint)
		}
		if uncompared {
			hint = strings.NewReplacer("; it resumes where it stopped", "", "; what is done is not done again", "").Replace(hint) // the bundle is finished: nothing was stopped
		}
		if hint != "" && !slices.Contains(list, hint) {
			list = append(list, hint)
		}
		//lint:ignore errorlint it is unwrapped here
		if damage, ok := e.(*bundle.DamageError); ok && !damage.Whole && hint != "" {
			list = append(list, restHint(damage))
		}
		//lint:ignore errorlint it is unwrapped here
		switch u := e.(type) {
		case *bundle.DamageError, *transport.ProbeError, *transport.TagError, *prepare.TagError: // these judge what is below them
		case *unpack.NodesError:
			if answer := (*transport.RegistryError)(nil); !errors.As(u.Err, &answer) || answer.Trouble() != transport.TroubleUnauthorized && answer.Trouble() != transport.TroubleForbidden { // it is about the nodes' credential
				todo = append([]error{u.Err}, todo...)
			}
		case *unpack.AbsentError:
			list = append(list, "or write the YAML without asking the mirror (satchel render --offline)")
		case *transport.LocationError: // of many locations, one decides
			todo = append([]error{u.Unwrap()[0]}, todo...)
		case *oci.PartError:
			var answer *transport.RegistryError
			if !errors.As(u, &answer) || !isLeftOut(u) || answer.Status != http.StatusNotFound { // else the name that was asked for is right
				todo = append([]error{u.Err}, todo...)
			}
		case *prepare.AllowedError: // as is what the next case advises
			todo = append([]error{u.Err}, todo...)
		case *oci.Gap:
			gap = gap || prepare.Permanent(u)
			todo = append([]error{u.Err}, todo...)
		case interface{ Unwrap() error }:
			todo = append([]error{u.Unwrap()}, todo...)
		case interface{ Unwrap() []error }:
			todo = append(slices.Clone(u.Unwrap()), todo...)
		}
	}
	if gap {
		list = append(list, "or finish without such images, which are then listed (--keep-going)")
	}
	return list
}

// listedHint is what damage says to do now that verify or repair have listed: nothing where they
// have said what can be repaired, and of what is light only if nothing is worse. hint is what damage says
// that nobody has listed.
func listedHint(err error, damage *bundle.DamageError, hint string) string {
	if as[*notRepairedError](err) || as[*otherDamagedError](err) || as[*beyondRepairError](err) {
		return ""
	}
	listed, ok := errors.AsType[*listedError](err)
	switch {
	case !ok:
		return hint
	case damage.Whole && !allWhole(err), !damage.Whole && (listed.Hint() != "" || as[*stillLostError](err)):
		return ""
	}
	return damage.Hint()
}

// damagedDir is the directory of damage, as it is typed.
func damagedDir(e *bundle.DamageError) string { return shellWords([]string{cmp.Or(e.Dir, "DIR")}) }

// restHint is what to do about damage that repair does not bring back.
func restHint(e *bundle.DamageError) string {
	return "what it does not bring back: read the drive on another host, or take another copy of the bundle; or the host that packed it makes a supplement, by a list of what is lost (satchel verify --lost FILE " + damagedDir(e) + ")"
}

// allWhole reports whether what the bundle carries is whole, for all damage in an error.
func allWhole(err error) bool {
	//lint:ignore errorlint it is unwrapped here
	switch e := err.(type) {
	case *bundle.DamageError:
		return e.Whole
	case interface{ Unwrap() error }:
		return allWhole(e.Unwrap())
	case interface{ Unwrap() []error }:
		return !slices.ContainsFunc(e.Unwrap(), func(err error) bool { return !allWhole(err) })
	}
	return true
}

// withFlags is what one error says to do now, with the flags that do it.
func withFlags(err error) string {
	hint, flags := hintOf(err), flagsFor(err)
	switch {
	case hint == "":
		return flags
	case flags == "":
		return hint
	}
	return hint + " (" + flags + ")"
}

// hintOf is what one error says to do now, without what it wraps.
func hintOf(err error) string {
	if e, ok := err.(interface{ Hint() string }); ok {
		return e.Hint()
	}
	return ""
}

// flagsFor names the flags of satchel that do what an error says to do. Libraries do not
// know them.
func flagsFor(err error) string {
	for _, of := range []func(error) string{answerFlags, contentFlags, placementFlags, jobFlags, configurationFlags} {
		if flags := of(err); flags != "" {
			return flags
		}
	}
	return keyFlags(err)
}

// answerFlags are for errors of registries, and of this host's settings for them.
func answerFlags(err error) string {
	//lint:ignore errorlint the caller unwraps it
	switch e := err.(type) {
	case *transport.RegistryError:
		return troubleFlags[e.Trouble()]
	case *unpack.NodesError:
		return "--node-authfile FILE, --pull-from HOST[:PORT][/NAMESPACE]"
	case *transport.ProbeError:
		var answer *transport.RegistryError
		if errors.As(e.Err, &answer) && e.Hint() == answer.Hint() { // its hint is that of the answer
			return troubleFlags[answer.Trouble()]
		}
		return problemFlags[e.Problem]
	case *oci.PartError:
		if isLeftOut(e) {
			return "if " + strings.Join(e.Platforms, ", ") + " is not needed, leave it out: name the other platforms (platforms: in the configuration)"
		}
	case *transport.PlainHTTPError:
		return troubleFlags[transport.TroublePlainHTTP]
	case *transport.BlockedError:
		return "--registries-conf FILE"
	case *transport.AuthfileError:
		return "--authfile FILE"
	case *transport.ConfigError:
		return configFlags[e.What]
	}
	return ""
}

// contentFlags are for errors of what a bundle carries, and of who has signed it.
func contentFlags(err error) string {
	//lint:ignore errorlint the caller unwraps it
	switch e := err.(type) {
	case *bundle.DamageError:
		if !e.Whole {
			return "satchel repair " + damagedDir(e)
		}
	case *bundle.RepairError:
		if len(e.Open) > 0 {
			return "satchel repair " + shellWords(append([]string{e.Dir}, e.Beside...)) + strings.Repeat(" DIR", len(e.Away))
		}
	case *bundle.RefusedDamageError:
		if damage, ok := errors.AsType[*bundle.DamageError](e.Err); ok && allWhole(e.Err) {
			return "repair it first, then run the same command again: satchel repair " + damagedDir(damage)
		}
	case *bundle.ListError:
		return "satchel verify --lost FILE writes such a list"
	case *bundle.SupplementError:
		return supplementFlags[e.Problem]
	case *bundle.PlainError:
		return "--allow-unencrypted"
	case *bundle.SigningError:
		return "satchel sign --sign-key KEY DIR"
	case *bundle.SignerError:
		return "--sign-key FILE"
	case *bundle.TrustError:
		return "satchel sign --sign-key KEY DIR; --trust FILE"
	case *bundle.TrustFileError:
		return "--trust FILE"
	}
	return ""
}

// placementFlags are for errors of where a bundle is: drives, directories and journals.
func placementFlags(err error) string {
	//lint:ignore errorlint the caller unwraps it
	switch e := err.(type) {
	case *bundle.RefusedError:
		var flags []string
		if e.Stream != "" {
			flags = append(flags, "--stream "+e.Stream)
		}
		if e.Unfinished {
			flags = append(flags, "--restart")
		}
		return strings.Join(flags, ", ")
	case *bundle.MountError:
		if e.Point != "" {
			return "if no drive will be mounted there any more, --yes; nothing is forgotten but that"
		}
	case *bundle.SpaceError:
		if e.MustHold || e.Together > 0 {
			return ""
		}
		return "--skip-space-check, if the drive reports it wrongly"
	case *bundle.DriveError:
		if errors.Is(e.Err, syscall.EFBIG) {
			return "--segment-size SIZE"
		}
	case *bundle.UnfinishedError:
		switch {
		case e.Running:
		case e.Copy:
			return "satchel copy; of a bundle that comes over a one-way link: satchel missing"
		case e.Supplements != "":
			return "satchel repair --from-source"
		}
	case *bundle.AwayError:
		if e.Across {
			return "one that is lost: satchel repair --to NEW and the directories of the others make it anew"
		}
		if e.Why == "" {
			return "one that is lost: satchel unpack --keep-going pushes what is whole without it, and satchel verify --lost FILE lists it for a supplement; both with the directories of the others"
		}
	case *bundle.MissingError:
		if e.Label != "" {
			return "--begin-again " + e.Label + ", or --restart"
		}
		return "--restart"
	}
	return ""
}

// jobFlags are for errors of what the commands do.
func jobFlags(err error) string {
	//lint:ignore errorlint the caller unwraps it
	switch e := err.(type) {
	case *baseline.NoneArrivedError:
		if len(e.Bundles) > 0 {
			return "satchel confirm FINGERPRINT, or --since RECEIPT"
		}
	case *pack.GoneError:
		switch {
		case e.Sealed:
		case e.Finished:
			return "--restart"
		case e.Other == "":
			return "--begin-again " + e.Label + ", or --restart"
		}
	case *pack.NextDriveError:
		if e.Begun {
			return "--begin-again " + e.Label
		}
	case *unpack.LostError:
		if e.Gaps {
			return "satchel repair --from-source"
		}
	case *untrustedError:
		return "satchel unpack --sign-key KEY; --trust FILE"
	case *prepare.LostError:
		return "--restart"
	case *gaps.FileError, *prepare.ListError:
		return "--only FILE"
	case *outdir.RefusedError:
		return "--output-dir OUTDIR"
	case *unpack.LayoutError:
		flags := "--layout " + e.Layout.Name
		if there := e.Layout.Mirror; there.Repo(e.Image).Repository != there.Shared.Repository {
			flags += fmt.Sprintf(", or --max-nested-paths %d where satchel has filled it so", there.MaxNestedPaths)
		}
		return flags + "; to keep a second copy in satchel's own places, --layout " + manifests.LayoutOcMirror
	case *ledger.WhichSiteError, *ledger.OtherSiteError:
		return "--site NAME; --forget-site NAME"
	case *ledger.GoneError:
		return "--catalog replace"
	case *catalogs.ShrinkError:
		return "--allow-shrink"
	case *unpack.AbsentError:
		return "satchel unpack"
	case *receipt.MirrorError:
		return "--no-mirror-receipt"
	}
	return ""
}

// configurationFlags are for errors of the configuration, and of what a cluster is said to be.
func configurationFlags(err error) string {
	//lint:ignore errorlint the caller unwraps it
	switch e := err.(type) {
	case *manifests.CatalogMergeError:
		return "--catalog replace"
	case *manifests.SiteError:
		return fieldFlags[e.Field]
	case *manifests.ChartError:
		if e.Values {
			return fmt.Sprintf("--helm-values %s=FILE", e.Name())
		}
	case *manifests.ConfigError:
		if e.Advice == manifests.AdviceConvert {
			return "satchel convert -c FILE"
		}
		return extraFlags[e.Field]
	case *manifests.UnknownApplicationsError:
		return "satchel cluster-query"
	case *manifests.InputError:
		return extraFlags[e.Field]
	case *manifests.SignatureError:
		return extraFlags[e.Field()]
	case *manifests.GraphError:
		return extraFlags[e.Field()]
	case *manifests.ToolError:
		return "pack without --with-tools"
	}
	return ""
}

// keyFlags are the flags for an error about keys, "" for another.
func keyFlags(err error) string {
	switch {
	case speaksFor(err, bundle.ErrNoKey):
		return "-i KEY, --passphrase or --passphrase-file FILE"
	case speaksFor(err, bundle.ErrNoTerminal):
		return "--passphrase-file FILE, or --new-passphrase-file FILE of rekey"
	}
	return ""
}

// supplementFlags are for what stands against a supplement.
var supplementFlags = map[bundle.SupplementProblem]string{
	bundle.SupplementUnfinished: "satchel pack",
	bundle.SupplementNothing:    "satchel verify finds out what is, and satchel repair rebuilds without a supplement what it can",
	bundle.SupplementForeign:    "satchel verify --lost FILE lists it",
}

// isLeftOut reports whether a platform of an image, which its registry does not give, can be
// left out.
func isLeftOut(e *oci.PartError) bool {
	return prepare.Permanent(e) && (as[*transport.RegistryError](e) || as[*transport.MissingBlobError](e) || as[*oci.DigestError](e)) && !as[*bundle.DamageError](e)
}

// speaksFor reports whether an error's hint is the one of value.
func speaksFor(err, value error) bool { return errors.Is(err, value) && hintOf(err) == hintOf(value) }

// extraFlags are for fields of [manifests.Extra].
var extraFlags = map[string]string{
	"GraphData": "--graph-data URL|FILE", "GraphBase": "--graph-base IMAGE", "AcceptRisks": "--accept-risk NAME",
	"HelmValues": "--helm-values CHART=FILE", "IgnoreReleaseSignature": "--ignore-release-signature",
	"PodFiles":                  "--from-pods FILE",
	manifests.FieldListReleases: "list what there is: satchel available releases",
	manifests.FieldListCatalog:  "list what there is: satchel available operators --catalog IMAGE",
}

// fieldFlags are for fields of [manifests.Site].
var fieldFlags = map[string]string{
	"Mirror": "--to", "PullFrom": "--pull-from", "PullSecret": "--pull-secret", "Credential": "--authfile", "NodeSecret": "--node-authfile", "CA": "--ca-file",
	"PresentCA": "--present-registry-ca", "PresentImage": "--present-image-config", "PresentRules": "--present-rules", "PresentCatalogSources": "--present-catalog-sources", "CatalogNames": "--catalog-name",
	"MirrorAPI": "--mirror-api", "SourcePolicy": "--mirror-source-policy",
}

// configFlags are for what is configured of registries on this host.
var configFlags = map[string]string{
	transport.ConfigRegistries:   "--registries-conf FILE",
	transport.ConfigCertificates: "--cert-dir DIR",
	transport.ConfigAuthorities:  "--ca-file FILE",
}

// troubleFlags are for sorts of trouble with a registry.
var troubleFlags = map[transport.Trouble]string{
	transport.TroubleAuthority:    "--ca-file FILE or --cert-dir DIR",
	transport.TroubleTLS:          "--cert-dir DIR",
	transport.TroublePlainHTTP:    "--tls-verify=false",
	transport.TroubleUnauthorized: "--authfile FILE",
	transport.TroubleForbidden:    "--authfile FILE",
	transport.TroubleNotFound:     "--authfile FILE",
	transport.TroubleTooMany:      "--parallel-layers N",
}

// problemFlags are for problems of a repository of the mirror.
var problemFlags = map[transport.Problem]string{
	transport.ProblemProject:    "--to HOST[:PORT]/PROJECT",
	transport.ProblemDepth:      "--max-nested-paths 2",
	transport.ProblemAttachment: "--attachments optional",
}
