package unpack

import (
	"github.com/opencontainers/go-digest"
	"path/filepath"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/catalogs"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/changes"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/gaps"
	"github.com/satchel-airgap/satchel/oci"
)

// Report is what a run has found and done, as far as it came.
type Report struct {
	Bundle       string             `json:"bundle,omitempty"` // its ID
	Fingerprint  bundle.Fingerprint `json:"fingerprint,omitempty"`
	Stream       *bundle.Stream     `json:"stream,omitempty"`
	Sequence     int                `json:"sequence,omitempty"`
	Mirror       string             `json:"mirror,omitempty"`
	DryRun       bool               `json:"dryRun,omitempty"`
	NotEncrypted bool               `json:"notEncrypted,omitempty"` // the bundle

	// Missing is what the mirror lacked when the run began; nil if that was not found out.
	Missing *Amount `json:"missing,omitempty"`
	// Pushed is what this run has sent, and the mirror took.
	Pushed   *Amount            `json:"pushed,omitempty"`
	Images   []Image            `json:"images,omitempty"`
	Moves    []changes.Tag      `json:"moves,omitempty"`    // tags that named another image when the run began, also those that stay; none where Changes has them
	Catalogs []catalogs.Catalog `json:"catalogs,omitempty"` // none where Changes has them

	// Changes is what a dry run has found.
	Changes *changes.Changes `json:"changes,omitempty"`

	OutputDir string   `json:"outputDir,omitempty"`
	Files     []string `json:"files,omitempty"` // that were written there

	Gaps []oci.Gap  `json:"-"` // of the bundle
	Lost *gaps.List `json:"-"` // with [Options].KeepGoing: what was not pushed, because its drive is lost; nil if that was not found out
}

// Amount counts images, with what is attached to them, and blobs.
type Amount struct {
	Images  int   `json:"images"`
	Blobs   int   `json:"blobs"`
	Bytes   int64 `json:"bytes"`             // of the blobs
	Mounted int   `json:"mounted,omitempty"` // blobs that the mirror took from another repository of its own
}

// Image is one image of the bundle, or what is attached to one, and its place in the mirror.
type Image struct {
	Repo   oci.Ref       `json:"repository"`
	Digest digest.Digest `json:"digest"`
	Tags   []string      `json:"tags,omitempty"`
	State  string        `json:"state"`
}

// States of an image, at the end of a run that did all, or of a dry run.
const (
	statePushed  = "pushed"
	statePresent = "present"
	stateRefused = "refused" // left out, because the mirror does not take it
	stateMissing = "missing" // a dry run would push it
)

// reportTo fills a report after a run, with what is known of it; u is nil where it was not
// begun.
func (u *unpacking) reportTo(o Options, r *bundle.Reader) {
	if o.Report == nil {
		return
	}
	*o.Report = Report{Bundle: r.ID(), Fingerprint: r.Fingerprint(), Mirror: o.Site.Mirror.String(), DryRun: o.DryRun, NotEncrypted: r.Plain(), Gaps: r.Inventory().Gaps}
	if s := r.Stream(); s != (bundle.Stream{}) {
		o.Report.Stream, o.Report.Sequence = &s, r.Sequence()
	}
	if u == nil {
		return
	}
	u.reportMirror(o.Report)
	if u.wrote {
		o.Report.OutputDir = o.Out.Path()
		if len(u.sets) > 1 {
			o.Report.OutputDir = filepath.Dir(o.Out.Path())
		}
		for _, s := range u.sets {
			for _, f := range s.files {
				o.Report.Files = append(o.Report.Files, u.inOutput(s.Output, f.Name))
			}
		}
		o.Report.Files = append(o.Report.Files, u.receiptFiles...)
	}
}

// reportMirror adds what was found in the mirror, and what was done to it.
func (u *unpacking) reportMirror(rep *Report) {
	rep.Catalogs, rep.Moves = u.moving, u.tags
	if u.found != nil && (u.KeepGoing || u.supplementGaps) {
		rep.Lost = &u.lost
	}
	if u.found != nil {
		rep.Missing = &Amount{Images: len(u.found.Images), Blobs: len(u.found.Blobs), Bytes: total(u.found.Blobs)}
	}
	if u.DryRun && u.all {
		rep.Changes, rep.Moves, rep.Catalogs = u.changes(u.found), nil, nil // these have both
	}
	if !u.DryRun {
		sent := u.mirror.Sent()
		rep.Pushed = &Amount{Blobs: sent.Blobs, Bytes: sent.Bytes, Mounted: sent.Mounted}
	}
	absent, refused := map[string]bool{}, map[string]bool{}
	key := func(img oci.Image) string {
		return img.Source.String() + " " + img.Root.Digest.String() + " " + img.Subject.String()
	}
	if u.found != nil {
		for _, img := range u.found.Images {
			absent[key(img)] = true
		}
	}
	for _, r := range u.mirror.Refused() {
		refused[key(r.Image)] = true
	}
	for _, img := range u.images {
		one := Image{Repo: u.Site.Mirror.Repo(img), Digest: img.Root.Digest, Tags: img.MirrorTags(), State: statePresent}
		switch {
		case u.DryRun && absent[key(img)]:
			one.State = stateMissing
		case u.DryRun:
		case refused[key(img)]:
			one.State = stateRefused
		case u.mirror.Pushed(img):
			one.State = statePushed
			rep.Pushed.Images++
		}
		if u.all {
			rep.Images = append(rep.Images, one)
		}
	}
}

// addFile writes a file beside those for the cluster.
func (u *unpacking) addFile(name string, body []byte) error {
	for _, out := range u.outputs() {
		if err := out.Dir.Add(name, body); err != nil {
			return err
		}
		u.receiptFiles = append(u.receiptFiles, u.inOutput(out, name))
	}
	return nil
}

// inOutput names a file as below the directory that was given.
func (u *unpacking) inOutput(out Output, name string) string {
	if len(u.More) == 0 {
		return name
	}
	return filepath.Join(filepath.Base(out.Dir.Path()), name)
}
