package ask

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
)

// Images finds images in registries, and what is published with them.
type Images interface {
	Resolver
	Fetcher
	Store
	Notices
}

// Resolver finds images in registries.
type Resolver interface {
	// Resolve gives the manifest that ref names now, and the source of its
	// content. A ref with a digest has no tag.
	Resolve(ctx context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error)
}

// Fetcher gets files that are published by other servers than registries.
type Fetcher interface {
	// Fetch gets a small file over HTTP(S), following redirects; one of more than
	// limit bytes is an error. A status other than 200 is a *[FetchError].
	Fetch(ctx context.Context, url string, limit int64) ([]byte, error)
}

// Store takes content that is built for the bundle, and what was derived from images.
type Store interface {
	// Put stores a manifest or a blob that was built for the bundle, until it is packed.
	Put(mediaType string, body []byte) (oci.Descriptor, error)
	// PutFrom is Put for what fill writes, of any size.
	PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error)
	// Derived gives what fill writes for key, or wrote for it at an earlier time:
	// content that was derived from an image and is always the same for the
	// same key. The caller closes the reader.
	Derived(ctx context.Context, key string, fill func(io.Writer) error) (io.ReadCloser, error)
}

// Notices takes what the user should know and is no error.
type Notices interface {
	// Note reports one line.
	Note(text string)
}

// FetchError says that a server answered and did not give a file.
type FetchError struct {
	URL     string
	Status  int
	Message string // what it gives as the reason, one printable line; may be empty
}

func (e *FetchError) Error() string {
	text := fmt.Sprintf("get %s: the server answers %d %s", e.URL, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Hint is empty: the message says all that is known.
func (e *FetchError) Hint() string { return "" }

// Permanent reports that the server gives the same answer again: it refuses, rather
// than being busy (RFC 9110, 15.5).
func (e *FetchError) Permanent() bool {
	return e.Status/100 == 4 && e.Status != http.StatusRequestTimeout && e.Status != http.StatusTooManyRequests
}
