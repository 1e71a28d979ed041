package copying

import (
	"context"
	"errors"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
)

// SendOptions say what goes over a one-way link.
type SendOptions struct {
	From []string // drive directories of one bundle
	Into string   // the directory that the link takes files from
	Only *bundle.LinkList
	Want bundle.Wanted
	Most int64 // bytes of the largest file
	Rate int64 // bytes a second that are written; 0 for no limit

	notice.To
}

// Sent is what was written for a link.
type Sent struct {
	Bundle      string             `json:"bundle"` // its ID
	Fingerprint bundle.Fingerprint `json:"fingerprint,omitempty"`
	Dir         string             `json:"dir"`
	Files       int                `json:"files"` // that were written, besides manifests
	Of          int                `json:"of"`    // that the bundle is sent in
	Bytes       int64              `json:"bytes"`

	NotHere []string `json:"notHere,omitempty"` // labels of the bundle's drives that are not among what is sent

	NotEncrypted bool `json:"notEncrypted,omitempty"`
}

// Send writes a bundle, or those of its files that a list names, into a directory from which a
// one-way link takes them.
func Send(ctx context.Context, opts SendOptions) (_ *Sent, err error) {
	var from []*bundle.Original
	defer func() {
		for _, o := range from {
			err = errors.Join(err, o.Close())
		}
	}()
	if from, _, err = originals(ctx, opts.From, opts.Want, opts.To); err != nil {
		return nil, err
	}
	link, err := open(ctx, from, opts)
	if err != nil {
		return nil, err
	}
	numbers := link.All()
	if opts.Only != nil {
		if numbers, err = link.Wanted(*opts.Only); err != nil {
			return nil, err
		}
	}
	done := &Sent{Bundle: link.Bundle, Fingerprint: link.Fingerprint, Dir: opts.Into, Files: len(numbers), Of: len(link.Files), NotEncrypted: from[0].Plain, NotHere: bundle.Labels(link.Away)}
	for _, n := range numbers {
		done.Bytes += link.Files[n-1].Size
	}
	if _, err := bundle.MakeDir(opts.Into); err != nil {
		return nil, err
	}
	bar := opts.Progress("writing for the link", 0, done.Bytes)
	defer bar.End()
	err = link.Send(ctx, opts.Into, numbers, bundle.LinkOptions{
		CopyOptions: bundle.CopyOptions{Progress: bar.Add, Pace: pace(opts.Rate)},
		Waiting: func(name string, free int64) {
			opts.Info("%s waits for room: %s are free; it goes on when the link has taken files away", name, bundle.FormatSize(free))
		},
	})
	if err != nil {
		return nil, err
	}
	return done, away(from, len(from) == 1, opts.To)
}

// open numbers the files, and shows how far it is with those that it has to read for that.
func open(ctx context.Context, from []*bundle.Original, opts SendOptions) (*bundle.Link, error) {
	var cut int64
	for _, o := range from {
		cut += o.Cut(opts.Most)
	}
	bar := opts.Progress("reading what is sent in parts", 0, cut)
	defer bar.End()
	return bundle.OpenLink(ctx, from, opts.Most, bar.Add)
}
