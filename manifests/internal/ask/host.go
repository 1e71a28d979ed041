package ask

import (
	"io"

	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

// HostError is one that says already whose fault it is: this host's, mostly. Every
// other one of making an image comes from the image that it is made from.
type HostError struct{ Err error }

func (e *HostError) Error() string { return e.Err.Error() }

func (e *HostError) Unwrap() error { return e.Err }

func OfHost(err error) error {
	if err == nil {
		return nil
	}
	return &HostError{err}
}

// HostStore marks the errors of storing as those of this host.
type HostStore struct{ To rebuild.Store }

func (k HostStore) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	d, err := k.To.Put(mediaType, body)
	return d, OfHost(err)
}

func (k HostStore) PutFrom(mediaType string, fill func(io.Writer) error) (oci.Descriptor, error) {
	d, err := k.To.PutFrom(mediaType, fill)
	return d, OfHost(err)
}
