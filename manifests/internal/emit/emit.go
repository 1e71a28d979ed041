package emit

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Emit gives the files that point a cluster at its mirror, sorted by name, from
// the inventory of what the mirror has. The notes are what a person must know,
// one line each, for the terminal; APPLY.md has them too. The same input in any
// order gives the same bytes. A fault of the site is a *[SiteError].
func Emit(inv *oci.Inventory, given site.Site) (files []handover.File, notes []string, err error) {
	if err := inv.Validate(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	h, err := handover.New(inv, given)
	if err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e := newEmission(h)
	e.counted = counted(inv.Images)
	e.fillPresent()
	if err := e.lead.ChooseAPI(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e.classify()
	e.way.FindUpdateService()
	for _, step := range []func() error{
		e.trust.CheckSources, e.login.EmitPullSecret, e.trust.EmitCA, e.lead.EmitRules, e.hub.EmitCatalogs, e.hub.EmitHub, e.hub.EmitClusterCatalogs, e.hub.EmitHelm, e.way.EmitSignatures, e.way.EmitUpdateService, e.emitHosted, e.emitInstall, e.way.EmitPinned, e.emitBefore, e.emitCut, e.emitRestore,
	} {
		if err := step(); err != nil {
			return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
		}
	}
	if err := e.emitGitOps(); err != nil {
		return nil, nil, fmt.Errorf("write cluster YAML: %w", err)
	}
	e.Add(handover.FileApply, handover.ModePublic, e.applyPage())
	slices.SortFunc(e.Files, func(a, b handover.File) int { return cmp.Compare(a.Name, b.Name) })
	return e.Files, e.Notes, nil
}

// classify sorts out the images that the pages name, and notes what concerns all steps.
func (e *emission) classify() {
	for _, img := range e.Images {
		switch {
		case img.Subject != "" || img.Origin == origin.Catalog:
		case img.Origin == origin.Release:
			if img.Path == origin.PathPayload {
				e.Payloads = append(e.Payloads, img)
			}
		case origin.PulledByTag(img) && len(img.Platforms) > 0: // charts and artifacts are in no pod
			e.lead.Tagged = append(e.lead.Tagged, img)
		}
	}
	slices.SortStableFunc(e.Payloads, origin.ComparePayloads)
	e.way.FindUpdates() // the rules depend on how far they lead
	e.lead.Groups = e.lead.GroupsOf(e.lead.RuledImages())
	e.lead.NoteTagged()
	e.lead.NoteUnsigned()
	e.noteApplications()
	e.noteRunning()
	e.lead.NoteElsewhere()
	if e.Site.Unchecked && e.Site.Mirror.Host != handover.PlaceholderHost {
		e.Note("satchel did not check whether %s has these images: rules for missing images stop a cluster; satchel unpack checks, and so does satchel render without --offline", e.Site.Mirror.Host)
	}
	if e.Site.Mirror.Host == handover.PlaceholderHost {
		e.Note("these files are for the placeholder host %s: run satchel render with the name of your mirror to get files that work", handover.PlaceholderHost)
	}
}

// counted counts images, and what is attached to them.
func counted(images []oci.Image) string {
	n := 0
	for _, img := range images {
		if img.Subject != "" {
			n++
		}
	}
	return text.Images(len(images)-n, n)
}
