package documents

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// DocumentPayloads is the document with what the carried releases say to those who update.
	DocumentPayloads = "payload-facts"
	// ArtifactPayloads is its artifact type; a file is JSON, named sha256-HEX.json after the payload.
	ArtifactPayloads = "application/vnd.satchel.payload-facts.v1"
)

// PayloadFacts are what a carried release says to those who update to it, or from it.
type PayloadFacts struct {
	Payload      digest.Digest  `json:"payload"` // as carried: of the index, if it is one
	Version      semver.Version `json:"version"`
	Architecture string         `json:"architecture"` // as releases write it: x86_64, multi
	// Updates are those that lead to the release by the update graphs that chose it; nil: no
	// graph did.
	Updates []Update `json:"updates,omitempty"`
	// Last is the last manifest of the payload's index, empty if it is none: the update service opens that one.
	Last digest.Digest `json:"last,omitempty"`
	// Tools are the programs of the release that were asked for; they are in its images.
	Tools []payload.Tool `json:"tools,omitempty"`
	// Disks are what machines boot from that are installed with these programs; not carried.
	Disks []payload.Disk `json:"disks,omitempty"`
	payload.Facts
}

// Update is one that a graph has.
type Update struct {
	From  semver.Version `json:"from"`
	Risks []Risk         `json:"risks,omitempty"` // known problems that some clusters run into
}

// Risk is a known problem of an update.
type Risk struct {
	Name    string `json:"name"`
	Message string `json:"message"`
	URL     string `json:"url"`
}

// ToolFile is the name of a program below the output directory: tools/NAME-VERSION-ARCH.
func (p PayloadFacts) ToolFile(t payload.Tool) string {
	arch := strings.ReplaceAll(strings.TrimPrefix(t.Platform, "linux/"), "/", "-")
	return "tools/" + t.Name + "-" + strings.ReplaceAll(p.Version.String(), "+", "_") + "-" + arch
}

// WritePayloadFacts makes the document; none without any release.
func WritePayloadFacts(ctx context.Context, list []PayloadFacts, store Store) ([]oci.Document, error) {
	var files []oci.ArtifactFile
	for _, p := range list {
		files = append(files, oci.ArtifactFile{Title: "sha256-" + p.Payload.Encoded() + ".json", MediaType: "application/json", Body: append(Canonical(p), '\n')})
	}
	slices.SortFunc(files, func(a, b oci.ArtifactFile) int { return strings.Compare(a.Title, b.Title) })
	files = slices.CompactFunc(files, func(a, b oci.ArtifactFile) bool { return a.Title == b.Title }) // a payload of two channels
	return Write(ctx, DocumentPayloads, ArtifactPayloads, files, store)
}

// ReadPayloadFacts gives what the releases of a bundle say, the oldest first; none for a bundle
// of earlier versions. It is as untrusted as the source.
func ReadPayloadFacts(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]PayloadFacts, error) {
	root, ok := inv.Document(DocumentPayloads)
	if !ok {
		return nil, nil
	}
	files, err := oci.ReadArtifact(ctx, src, root, ArtifactPayloads)
	if err != nil {
		return nil, fmt.Errorf("read what the releases say of updates: %w", err)
	}
	var list []PayloadFacts
	for _, f := range files {
		var p PayloadFacts
		err := json.Unmarshal(f.Body, &p)
		if err == nil {
			err = oci.CheckDigest(p.Payload)
		}
		if err == nil {
			err = p.Check()
		}
		for _, tool := range p.Tools {
			err = errors.Join(err, tool.Check())
		}
		for _, disk := range p.Disks {
			err = errors.Join(err, disk.Check())
		}
		if err != nil {
			return nil, &oci.UnsupportedError{What: "document " + DocumentPayloads, Why: fmt.Sprintf("its %.128q: %v", f.Title, err)}
		}
		list = append(list, p)
	}
	slices.SortStableFunc(list, func(a, b PayloadFacts) int { return a.Version.Compare(b.Version) })
	return list, nil
}
