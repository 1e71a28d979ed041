package main

import (
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/pack"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/report"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/unpack"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// outcome is what pack, unpack and verify print at the end for machines: one object.
type outcome struct {
	format string // json or yaml
	began  time.Time
	doc    interface{ end(ended) }
}

// ended is what every such object has.
type ended struct {
	Command string   `json:"command"`
	Exit    int      `json:"exit"`            // the exit status
	Error   string   `json:"error,omitempty"` // one line for each thing that went wrong
	Hints   []string `json:"hints,omitempty"`
	Seconds float64  `json:"seconds"`
}

func (e *ended) end(now ended) { *e = now }

// packed is what pack has done.
type packed struct {
	ended
	Bundle       string             `json:"bundle,omitempty"` // its ID
	Dir          string             `json:"dir,omitempty"`
	Supplements  string             `json:"supplements,omitempty"` // the bundle of which it has what that has lost
	NotEncrypted bool               `json:"notEncrypted,omitempty"`
	Fingerprint  bundle.Fingerprint `json:"fingerprint,omitempty"` // of what was read back
	Stream       *bundle.Stream     `json:"stream,omitempty"`
	Sequence     int                `json:"sequence,omitempty"`  // its number there
	Unchanged    bool               `json:"unchanged,omitempty"` // the bundle was finished before this run
	Carried      *carriedCount      `json:"carried,omitempty"`
	LeftOut      *carriedCount      `json:"leftOut,omitempty"` // with --since: the mirror has it
	Images       []carriedImage     `json:"images,omitempty"`
	Gaps         *foundGaps         `json:"gaps,omitempty"`
}

// carriedCount counts what a bundle has, or leaves out.
type carriedCount struct {
	Images    int   `json:"images"`
	Attached  int   `json:"attached"` // signatures and other referrers
	Manifests int   `json:"manifests"`
	Blobs     int   `json:"blobs"`
	Bytes     int64 `json:"bytes"` // of both
}

type carriedImage struct {
	Origin oci.Origin    `json:"origin"`
	Source oci.Ref       `json:"source"`
	Digest digest.Digest `json:"digest"`
	Tags   []string      `json:"tags,omitempty"` // in the mirror
}

// foundGaps are images that were asked for and are not in a bundle.
type foundGaps struct {
	File       string                 `json:"file,omitempty"` // the gap list
	Images     []foundGap             `json:"images"`
	Incomplete []manifests.Incomplete `json:"incomplete,omitempty"`
}

type foundGap struct {
	Origin oci.Origin `json:"origin"`
	Source oci.Ref    `json:"source"`
	Why    string     `json:"why,omitempty"`
}

// unpacked is what unpack has done.
type unpacked struct {
	ended
	unpack.Report
	Gaps *foundGaps `json:"gaps,omitempty"` // of the bundle
	Lost *foundGaps `json:"lost,omitempty"` // with --keep-going: what was not pushed, because its drive is lost
}

// verified is what verify has found, of one bundle or of several.
type verified struct {
	ended
	*verifyReport
}

type verifiedAll struct {
	ended
	driveReport
}

// gapsOf lists gaps; nil for none.
func gapsOf(list []oci.Gap, file string) *foundGaps {
	if len(list) == 0 {
		return nil
	}
	g := &foundGaps{File: file, Incomplete: manifests.IncompleteOf(list)}
	for _, gap := range list {
		g.Images = append(g.Images, foundGap{gap.Image.Origin, gap.Image.Source, gap.Reason()})
	}
	return g
}

// fill takes what a pack has finished.
func (p *packed) fill(done *pack.Result) {
	p.Bundle, p.Dir, p.Fingerprint, p.Stream, p.Sequence, p.Unchanged = done.Bundle, done.Dir, done.Fingerprint, inStream(done.Stream), done.Sequence, done.Unchanged
	p.Gaps = gapsOf(done.Gaps.Images, "")
	g := done.Graph
	if len(g.Images) == 0 { // this run has only read it back
		return
	}
	if done.Carried != nil {
		all, carried := countOf(g), countOf(done.Carried)
		p.Carried = &carried
		if left := all.less(carried); left != (carriedCount{}) {
			p.LeftOut = &left
		}
	}
	for _, img := range g.Images {
		if img.Subject != "" {
			continue
		}
		p.Images = append(p.Images, carriedImage{img.Origin, img.Configured(), img.Root.Digest, img.MirrorTags()})
	}
}

// countOf counts a graph, of its images those that something in it is of.
func countOf(g *oci.Graph) (c carriedCount) {
	c.Manifests, c.Blobs, c.Bytes = len(g.Manifests), len(g.Blobs), report.Size(g.Manifests)+report.Size(g.Blobs)
	known := map[string]bool{}
	for _, n := range slices.Concat(g.Manifests, g.Blobs) {
		for _, img := range g.Of(n) {
			key := strings.Join([]string{string(img.Origin), img.Source.String(), img.Root.Digest.String(), img.Subject.String()}, " ")
			switch {
			case known[key]:
			case img.Subject != "":
				c.Attached++
			default:
				c.Images++
			}
			known[key] = true
		}
	}
	return c
}

// less is what is not in a part.
func (c carriedCount) less(part carriedCount) carriedCount {
	return carriedCount{c.Images - part.Images, c.Attached - part.Attached, c.Manifests - part.Manifests, c.Blobs - part.Blobs, c.Bytes - part.Bytes}
}

// addOutcome defines -o for commands that do something.
func addOutcome(cmd *cobra.Command, output *string) {
	cmd.Flags().StringVarP(output, "output", "o", "table", "`FORMAT` of what stdout gets at the end: json or yaml, one object of what was done, also of a failed run; table, only what people need")
}

// tellMachines has the run end with an object, if -o asks for one.
func (a *app) tellMachines(output string, doc interface{ end(ended) }) error {
	if err := checkOutput(output); err != nil {
		return err
	}
	if output != "table" {
		a.outcome.format, a.outcome.doc = output, doc
	}
	return nil
}

// machines reports whether the run ends with an object.
func (a *app) machines() bool { return a.outcome.doc != nil }

// printOutcome prints the object that the run ends with. A command that was not begun,
// because of a mistake in what was typed, has one too.
func (a *app) printOutcome(cmd *cobra.Command, err error, code int) error {
	o := a.outcome
	if o.doc == nil && err != nil {
		o.format, o.doc = askedFormat(cmd, a.args), &ended{}
	}
	if o.doc == nil || o.format == "" {
		return nil
	}
	e := ended{Command: cmd.Name(), Exit: code, Seconds: time.Since(o.began).Round(time.Millisecond).Seconds()}
	if err != nil {
		lines, hints := a.explain(err)
		e.Error, e.Hints = strings.Join(lines, "\n"), hints
	}
	o.doc.end(e)
	return printReport(a.stdout, o.format, o.doc, nil)
}

// askedFormat is json or yaml where the arguments ask for one, of a command that ends with
// an object; else "".
func askedFormat(cmd *cobra.Command, args []string) string {
	switch cmd.Name() {
	case "pack", "copy", "missing", "unpack", "verify", "prune":
	default:
		return ""
	}
	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	f.ParseErrorsAllowlist.UnknownFlags = true
	output := f.StringP("output", "o", "", "")
	for i := range args { // what comes before may be what is wrong
		if strings.HasPrefix(args[i], "-o") || strings.HasPrefix(args[i], "--output") && !strings.HasPrefix(args[i], "--output-") {
			_ = f.Parse(args[i:min(i+2, len(args))]) // what cannot be read asks for nothing
		}
	}
	if o := cmd.Flags().Lookup("output"); *output == "" && o != nil && !typed(o) {
		*output = o.Value.String() // as it is configured
	}
	if *output == "json" || *output == "yaml" {
		return *output
	}
	return ""
}
