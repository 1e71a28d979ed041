package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/receipt"
	"github.com/satchel-airgap/satchel/oci/text"
)

// receiptsReport is what receipt prints.
type receiptsReport struct {
	Mirror   string          `json:"mirror"`
	Receipts []receiptReport `json:"receipts"`              // the newest first
	Open     []receiptHead   `json:"openIntents,omitempty"` // runs that did not end

	endLine func(id string) string // the command that ends the intents of a bundle

	ended bool // it lists receipts that end intents, and not all there are
}

type receiptHead struct {
	Bundle      string          `json:"bundle"`
	Fingerprint string          `json:"fingerprint,omitempty"`
	Stream      *receipt.Stream `json:"stream,omitempty"`
	Sequence    int             `json:"sequence,omitempty"`
	Packed      *time.Time      `json:"packed,omitempty"`
	Time        time.Time       `json:"time"`
	From        receipt.Source  `json:"from,omitempty"` // rebuilt or adopted
	Digest      string          `json:"digest"`         // SHA-256 of the receipt itself
	Tag         string          `json:"tag,omitempty"`  // in the mirror
	ThisHost    bool            `json:"ofThisHost"`     // a run on this host wrote it
	Signed      []signerReport  `json:"signed,omitempty"`
	Trusted     bool            `json:"trusted"`          // it is more than a claim
	Claims      []digest.Digest `json:"claims,omitempty"` // what nobody confirmed of that which its pushed marks rest on
}

type receiptReport struct {
	receiptHead
	Manifests int             `json:"manifests"`
	Pushed    int             `json:"manifestsPushed"`
	Claimed   int             `json:"manifestsClaimed"`
	Bytes     int64           `json:"bytes"` // of manifests and blobs, each once
	Images    []receiptImage  `json:"images"`
	Content   []receiptDigest `json:"content,omitempty"` // not in the table

	blobs int
}

type receiptImage struct {
	Digest     string       `json:"digest"`
	Repository string       `json:"repository"`
	Origins    []string     `json:"origins"`
	Subject    string       `json:"subject,omitempty"`
	Tags       []receiptTag `json:"tags"`
}

type receiptTag struct {
	Name string `json:"name"`
	Mark string `json:"mark"`
}

type receiptDigest struct {
	Digest    string         `json:"digest,omitempty"`
	Prefix    string         `json:"digestPrefix,omitempty"` // instead: the mirror no longer gives the manifest with the rest
	MediaType string         `json:"mediaType,omitempty"`    // of a manifest
	Size      int64          `json:"size"`
	In        []receiptPlace `json:"repositories"`
}

type receiptPlace struct {
	Repository string `json:"repository"`
	Mark       string `json:"mark"` // pushed, found, or claimed
}

// claimed is the mark of what a receipt says was pushed, where nobody confirmed that.
const claimed = "claimed"

// marking tells what is sure from what is claimed.
type marking struct{ sure receipt.Pushes }

func (m marking) of(mark receipt.Mark, thing receipt.Thing) string {
	if mark == receipt.Pushed && !m.sure[thing] {
		return claimed
	}
	return mark.String()
}

func headReport(one *receipt.Kept) receiptHead {
	h := receiptHead{
		Bundle: one.Head.Bundle, Fingerprint: one.Head.Fingerprint, Sequence: one.Head.Sequence, Time: one.Head.Time, From: one.Head.From,
		Digest: one.Digest.String(), Tag: one.Tag, ThisHost: one.Own, Signed: signers(one.Signed),
		Trusted: one.Trusted(),
	}
	if one.Head.Stream != (receipt.Stream{}) {
		h.Stream = &one.Head.Stream
	}
	if !one.Head.Packed.IsZero() {
		h.Packed = &one.Head.Packed
	}
	return h
}

// report reads a receipt; its content only where it is printed.
func (j *receiptJob) report(ctx context.Context, h *receipt.History, one *receipt.Kept) (rep receiptReport, err error) {
	r, err := one.Load()
	if err != nil {
		return rep, err
	}
	sure, err := h.Sure(one)
	if err != nil {
		return rep, err
	}
	m := marking{receipt.Pushes{}}
	m.sure.Add(sure)
	rep = receiptReport{receiptHead: headReport(one), Images: []receiptImage{}, blobs: len(r.Blobs)}
	if one.Trusted() {
		rep.Claims = h.Rests(one)
	}
	rep.images(r, m)
	rep.manifests(r, m)
	for _, b := range r.Blobs {
		rep.Bytes += b.Size
	}
	if j.output == "table" {
		rep.Content = nil
		return rep, nil
	}
	whole, err := r.Digests(ctx, j.client)
	if err != nil {
		return rep, err
	}
	for _, b := range r.Blobs {
		d := receiptDigest{Digest: whole[b.Short].String(), Size: b.Size}
		if d.Digest == "" {
			d.Prefix = "sha256:" + b.Short.String()
		}
		for _, p := range b.In {
			d.In = append(d.In, receiptPlace{p.Repo, m.of(p.Mark, receipt.BlobIn(p.Repo, b.Short))})
		}
		rep.Content = append(rep.Content, d)
	}
	return rep, nil
}

func (rep *receiptReport) images(r *receipt.Receipt, m marking) {
	for _, img := range r.Images {
		i := receiptImage{Digest: img.Digest.String(), Repository: img.Repo, Subject: img.Subject.String(), Tags: []receiptTag{}}
		for _, o := range img.Origins {
			i.Origins = append(i.Origins, string(o))
		}
		for _, tag := range img.Tags {
			i.Tags = append(i.Tags, receiptTag{tag.Name, m.of(tag.Mark, receipt.TagIn(img.Repo, tag.Name))})
		}
		rep.Images = append(rep.Images, i)
	}
}

func (rep *receiptReport) manifests(r *receipt.Receipt, marks marking) {
	at := map[string]int{}
	for _, m := range r.Manifests {
		d, mark := m.Digest.String(), marks.of(m.Mark, receipt.ManifestIn(m.Repo, m.Digest))
		if _, known := at[d]; !known {
			at[d] = len(rep.Content)
			rep.Content = append(rep.Content, receiptDigest{Digest: d, MediaType: m.MediaType, Size: m.Size})
			rep.Manifests, rep.Bytes = rep.Manifests+1, rep.Bytes+m.Size
			switch mark {
			case receipt.Pushed.String():
				rep.Pushed++
			case claimed:
				rep.Claimed++
			}
		}
		to := &rep.Content[at[d]]
		to.In = append(to.In, receiptPlace{m.Repo, mark})
	}
}

func printReceipts(w io.Writer, rep receiptsReport, v view) error {
	p := &printer{w: w}
	if len(rep.Receipts) == 0 && !rep.ended {
		p.printf("%s has no receipts.\n", rep.Mirror)
	}
	rows := [][]string{{"BUNDLE", "STREAM", "SEQ", "TIME", "IMAGES", "BLOBS", "SIZE", "PUSHED", "KEPT"}}
	for _, r := range rep.Receipts {
		stream, sequence := "-", "-"
		if r.Stream != nil {
			stream, sequence = r.Stream.Name, strconv.Itoa(r.Sequence)
		}
		rows = append(rows, []string{
			r.Bundle, stream, sequence, text.Minute(r.Time), strconv.Itoa(len(r.Images)), strconv.Itoa(r.blobs), bundle.FormatSize(r.Bytes),
			pushedOf(r), keptWhere(r.receiptHead),
		})
	}
	if len(rows) > 1 && p.err == nil {
		p.err = v.table(w, "", rows)
	}
	for _, open := range rep.Open {
		p.printf("\nnot ended: an unpack of bundle %s, begun %s: run it again, or end it with: %s\n", open.Bundle, text.Minute(open.Time), rep.endLine(open.Bundle))
	}
	return p.err
}

// pushedOf says how much of a receipt is satchel's, and how much nobody confirmed of that.
func pushedOf(r receiptReport) string {
	s := fmt.Sprintf("%d of %d manifests", r.Pushed, r.Manifests)
	if r.Claimed > 0 {
		s += fmt.Sprintf("; %d claimed", r.Claimed)
	}
	return s
}

// keptWhere says where a receipt is, and what is special about it.
func keptWhere(h receiptHead) string {
	where := "mirror"
	switch {
	case h.Tag == "":
		where = "this host"
	case h.ThisHost:
		where = "mirror, this host"
	}
	if h.From != "" {
		where += "; " + string(h.From)
	}
	if len(h.Signed) > 0 {
		where += "; signed by " + h.Signed[0].Principals
	}
	return where
}

// writeReceipt writes a receipt and its signatures.
func writeReceipt(dir, name string, body []byte, signatures [][]byte) error {
	file := filepath.Join(dir, name)
	if err := durable.Write(file, body); err != nil {
		return err
	}
	for i, sig := range signatures {
		if err := durable.Write(receipt.SignatureFile(file, i), sig); err != nil {
			return err
		}
	}
	for n := len(signatures); os.Remove(receipt.SignatureFile(file, n)) == nil; n++ { // of another receipt that had this name
	}
	again, err := os.ReadFile(file)
	if err == nil && string(again) != string(body) {
		err = fmt.Errorf("%s is not what was written", file)
	}
	return err
}
