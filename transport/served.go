package transport

import (
	"context"
	"errors"
	"net/http"

	"github.com/satchel-airgap/satchel/oci"
)

// Served gives the manifest that a name in the mirror, a repository with a tag, is now, and
// the source of its content; no digest where there is none. It only reads. Errors are those
// of [Client.Resolve].
func (m *Mirror) Served(ctx context.Context, name oci.Ref) (oci.Descriptor, oci.Source, error) {
	r, err := m.client.Repository(name)
	if err != nil {
		return oci.Descriptor{}, nil, err
	}
	d, src, err := m.client.Resolve(r.toPush(ctx), name)
	var answer *RegistryError
	if errors.As(err, &answer) && answer.Status == http.StatusNotFound {
		return oci.Descriptor{}, nil, nil
	}
	return d, src, err
}
