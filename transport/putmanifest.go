package transport

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/reply"
)

const headerSubject = "OCI-Subject"

// storeManifest stores a manifest, bytes as they are, under a tag or its digest. Where
// the registry has no referrers API, a manifest with a subject is added to that
// subject's fallback index (OCI distribution-spec, "Pushing Manifests with Subject").
// What the bytes say is judged by [oci.ParseManifest] alone, as it was when they were
// packed.
func (r *Repository) storeManifest(ctx context.Context, d oci.Descriptor, body []byte, reference string) error {
	indexed, err := r.sendManifest(ctx, d, body, reference)
	if err != nil {
		return err
	}
	return r.addReferrer(ctx, d, body, indexed)
}

// sendManifest also reports whether the registry says that it noted the subject.
func (r *Repository) sendManifest(ctx context.Context, d oci.Descriptor, body []byte, reference string) (indexed bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.url("manifests/"+reference, nil).String(), bytes.NewReader(body))
	if err != nil {
		return false, err
	}
	req.Header.Set("Content-Type", d.MediaType)
	resp, err := r.remote.Client.Do(req)
	if err != nil {
		return false, err
	}
	if resp.StatusCode/100 != 2 {
		return false, responseError(resp)
	}
	reply.Drain(resp)
	if err := checkDigest(resp, d); err != nil {
		return false, fmt.Errorf("digest mismatch: %w", err)
	}
	return resp.Header.Get(headerSubject) != "", nil
}

// addReferrer adds a manifest to the fallback index of its subject, unless the
// registry has the referrers API.
func (r *Repository) addReferrer(ctx context.Context, d oci.Descriptor, body []byte, indexed bool) error {
	if d.MediaType != oci.MediaTypeManifest && d.MediaType != oci.MediaTypeIndex {
		return nil
	}
	if indexed {
		_ = r.remote.SetReferrersCapability(true) // or it is known already
		return nil
	}
	m, err := oci.ParseManifest(d, body)
	if err != nil || m.Subject == nil || r.remote.SetReferrersCapability(false) != nil {
		return err
	}
	entry := oci.Descriptor{MediaType: d.MediaType, Digest: d.Digest, Size: d.Size, Annotations: m.Annotations, ArtifactType: m.ArtifactType}
	if m.Config != nil {
		entry.ArtifactType = cmp.Or(m.ArtifactType, m.Config.MediaType)
	}
	return r.mergeFallback(ctx, fallbackTag(*m.Subject), entry)
}

// fallbackIndex is an index of referrers. Entries stay as others wrote them.
type fallbackIndex struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType"`
	Manifests     []json.RawMessage `json:"manifests"`
}

// mergeFallback adds an entry to the index under a fallback tag.
func (r *Repository) mergeFallback(ctx context.Context, tag string, entry oci.Descriptor) error {
	r.fallback.Lock()
	defer r.fallback.Unlock()
	index, err := r.readFallback(ctx, tag)
	if err != nil {
		return err
	}
	for _, raw := range index.Manifests {
		var have oci.Descriptor
		if json.Unmarshal(raw, &have) == nil && have.Digest == entry.Digest {
			return nil
		}
	}
	raw, err := json.Marshal(entry)
	if err != nil {
		return fmt.Errorf("add to the referrers under the tag %s: %w", tag, err)
	}
	index.Manifests = append(index.Manifests, raw)
	body, err := json.Marshal(index)
	if err != nil {
		return fmt.Errorf("add to the referrers under the tag %s: %w", tag, err)
	}
	d := oci.Descriptor{MediaType: oci.MediaTypeIndex, Digest: oci.Digest(body), Size: int64(len(body))}
	_, err = r.sendManifest(ctx, d, body, tag)
	return err
}

// readFallback reads the index under a fallback tag; an empty one if there is none.
func (r *Repository) readFallback(ctx context.Context, tag string) (index *fallbackIndex, err error) {
	err = r.alone(ctx, func(ctx context.Context) (err error) {
		index, err = r.askFallback(ctx, tag)
		return err
	})
	if isDamaged(err) {
		return nil, &ManifestError{Repo: r.ref, Tag: tag, Status: statusIn(err)}
	}
	return index, err
}

func (r *Repository) askFallback(ctx context.Context, tag string) (*fallbackIndex, error) {
	index := &fallbackIndex{SchemaVersion: 2, MediaType: oci.MediaTypeIndex}
	resp, err := r.ask(ctx, http.MethodGet, "manifests/"+tag, acceptManifests())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNotFound:
		return index, nil
	case http.StatusOK:
	default:
		return nil, responseError(resp)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, oci.MaxManifestSize))
	if err != nil {
		return nil, err
	}
	var have fallbackIndex
	if err := json.Unmarshal(body, &have); err != nil {
		return nil, fmt.Errorf("what the mirror has under the tag %s is not an index of referrers: %w", tag, err)
	}
	if tag != fallbackTag(oci.Descriptor{Digest: oci.Digest(body)}) { // oc-mirror v2 gives an image that tag itself
		index.Manifests = have.Manifests
	}
	return index, nil
}

// ForeignError says that the mirror did not take a manifest with foreign layers.
// Registries check the URLs that such layers name, or want the layers
// themselves; distribution answers 500 and no reason.
type ForeignError struct {
	Manifest oci.Descriptor
	Err      error // what the registry answered
}

func (e *ForeignError) Error() string {
	return "it has foreign layers, which this registry may not take: " + e.Err.Error()
}

func (e *ForeignError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *ForeignError) Hint() string {
	return "have the registry accept the URLs of foreign layers (distribution: validation.manifests.urls.allow in its configuration), or leave the image out"
}

// Permanent is false: what the registry answered may have another cause.
func (e *ForeignError) Permanent() bool { return false }

// ifForeign adds to a refusal of a manifest that its foreign layers may be the reason.
func ifForeign(d oci.Descriptor, body []byte, err error) error {
	var m struct {
		Layers []oci.Descriptor `json:"layers"`
	}
	if err == nil || json.Unmarshal(body, &m) != nil {
		return err
	}
	for _, l := range m.Layers {
		if oci.IsForeign(l.MediaType) {
			return &ForeignError{Manifest: d, Err: err}
		}
	}
	return err
}
