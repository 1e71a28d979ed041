package transport

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/satchel-airgap/satchel/oci"
)

// Mirror is the target registry with its naming rule. It is safe for concurrent use.
type Mirror struct {
	client   *Client
	target   oci.Mirror
	parallel int
	sent     sent

	left leftOut
	seen seen
	tags tags

	// Verify says what is asked for, Optional which images may be left out where the
	// mirror does not take them; nil: none. TagChildren has the images of an index be named
	// by their digests too. Set them before the first call.
	Verify      Verify
	Optional    func(oci.Image) bool
	TagChildren bool
}

// Verify is how closely what the mirror has is looked at.
type Verify int

// How closely.
const (
	VerifySizes     Verify = iota // manifests, and every blob by its last byte
	VerifyFull                    // as VerifySizes; the caller also calls ReadBack
	VerifyManifests               // manifests alone: one that is there is proof of its blobs
)

// NewMirror makes the mirror at target, with at most parallel requests or
// uploads at a time (at least one).
func NewMirror(c *Client, target oci.Mirror, parallel int) *Mirror {
	return &Mirror{client: c, target: target, parallel: max(1, parallel)}
}

// PlainHTTP reports whether the mirror has answered without TLS so far.
func (m *Mirror) PlainHTTP() bool { return m.client.plainHTTP(m.target.Host) }

// RefusedImage is an image that the mirror does not take and that may be left out, see
// [Mirror].Optional.
type RefusedImage struct {
	Image oci.Image
	Err   error // what the mirror answered
}

// leftOut is what is left out so far.
type leftOut struct {
	mu   sync.Mutex
	list map[string]RefusedImage
}

func (m *Mirror) imageKey(img oci.Image) string { return keyOf(m.target, img) }

func keyOf(target oci.Mirror, img oci.Image) string {
	return target.Repo(img).WithDigest(img.Root.Digest).String() + " " + strings.Join(img.Tags, " ")
}

// leaveOut notes an image that may be left out, with what the mirror answered; any
// other error, or one of any other image, is returned.
func (m *Mirror) leaveOut(img oci.Image, err error) error {
	if err == nil || m.Optional == nil || !saidNo(err) || !m.Optional(img) {
		return err
	}
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	if m.left.list == nil {
		m.left.list = map[string]RefusedImage{}
	}
	if key := m.imageKey(img); m.left.list[key].Err == nil {
		m.left.list[key] = RefusedImage{img, err}
	}
	return nil
}

// isOut reports whether an image is left out.
func (m *Mirror) isOut(img oci.Image) bool {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	return m.left.list[m.imageKey(img)].Err != nil
}

// Refused lists the images that were left out so far, by name.
func (m *Mirror) Refused() []RefusedImage {
	m.left.mu.Lock()
	defer m.left.mu.Unlock()
	list := make([]RefusedImage, 0, len(m.left.list))
	for _, r := range m.left.list {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b RefusedImage) int { return cmp.Compare(m.imageKey(a.Image), m.imageKey(b.Image)) })
	return list
}

// saidNo reports whether an error is what a registry answered for good: the registry is
// there, and has room. Some answer 500 to what they do not support.
func saidNo(err error) bool {
	var answer *RegistryError
	var blob *BlobError
	var manifest *ManifestError
	if errors.As(err, &blob) || errors.As(err, &manifest) {
		return true
	}
	if !errors.As(err, &answer) || answer.Status < 400 {
		return false
	}
	switch answer.Trouble() {
	case TroubleFull, TroubleQuota:
		return false
	}
	switch answer.Status {
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false
	}
	return true
}
