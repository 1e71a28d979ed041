package documents

import (
	"context"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
)

// DocumentSignatures is the document with the signatures of the releases.
const DocumentSignatures = "release-signatures"

// ArtifactSignatures is its artifact type; a file is the message in base64.
const ArtifactSignatures = "application/vnd.satchel.release-signatures.v1"

// Signature is one verified signature of a payload, as it was published.
type Signature struct {
	Payload digest.Digest
	Number  int // from 1 to 9, its place in the store
	Message []byte
	By      string // who signed it, where it was verified; a bundle does not keep that
}

// Title is the signature's name in a bundle, and its key in the cluster's ConfigMap.
func (s Signature) Title() string { return fmt.Sprintf("sha256-%s-%d", s.Payload.Encoded(), s.Number) }

// WriteSignatures makes the document of all signatures; none without any.
func WriteSignatures(ctx context.Context, list []Signature, store Store) ([]oci.Document, error) {
	var files []oci.ArtifactFile
	for _, s := range list {
		body := base64.StdEncoding.EncodeToString(s.Message) + "\n"
		files = append(files, oci.ArtifactFile{Title: s.Title(), MediaType: "text/plain", Body: []byte(body)})
	}
	slices.SortFunc(files, func(a, b oci.ArtifactFile) int { return strings.Compare(a.Title, b.Title) })
	files = slices.CompactFunc(files, func(a, b oci.ArtifactFile) bool { return a.Title == b.Title }) // a payload of two channels
	return Write(ctx, DocumentSignatures, ArtifactSignatures, files, store)
}

var signatureTitle = regexp.MustCompile(`^sha256-([0-9a-f]{64})-([1-9])$`)

// ReadSignatures gives the signatures that a bundle carries, for [manifests.Site], in the
// order of its document; none if it carries none. They were verified by who packed
// them, and the cluster verifies them again.
func ReadSignatures(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]Signature, error) {
	root, ok := inv.Document(DocumentSignatures)
	if !ok {
		return nil, nil
	}
	files, err := oci.ReadArtifact(ctx, src, root, ArtifactSignatures)
	if err != nil {
		return nil, fmt.Errorf("read the signatures of releases: %w", err)
	}
	var list []Signature
	for _, f := range files {
		m := signatureTitle.FindStringSubmatch(f.Title)
		if m == nil {
			return nil, &oci.UnsupportedError{What: "document " + DocumentSignatures, Why: fmt.Sprintf("its %.128q is not the name of a signature", f.Title)}
		}
		body, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(string(f.Body), "\n"))
		if err != nil || len(body) == 0 || len(body) > signature.MaxMessage {
			return nil, &oci.UnsupportedError{What: "document " + DocumentSignatures, Why: fmt.Sprintf("its %s is not a signature in base64", f.Title)}
		}
		list = append(list, Signature{digest.NewDigestFromEncoded(digest.SHA256, m[1]), int(m[2][0] - '0'), body, ""})
	}
	return list, nil
}
