package manifests_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// shelf is a registry in memory: it implements [manifests.Images].
type shelf struct {
	oci.Memory
	refs map[string]oci.Descriptor
}

func (s *shelf) Resolve(_ context.Context, ref oci.Ref) (oci.Descriptor, oci.Source, error) {
	d, ok := s.refs[ref.String()]
	if !ok {
		return d, nil, errors.New("not found")
	}
	return d, s, nil
}

func (s *shelf) Fetch(_ context.Context, url string, _ int64) ([]byte, error) {
	return nil, &manifests.FetchError{URL: url, Status: http.StatusNotFound}
}

func (s *shelf) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return s.Add(mediaType, body), nil
}

func (s *shelf) PutFrom(string, func(io.Writer) error) (oci.Descriptor, error) {
	return oci.Descriptor{}, errors.ErrUnsupported // no catalog or graph image is built here
}

func (s *shelf) Derived(context.Context, string, func(io.Writer) error) (io.ReadCloser, error) {
	return nil, errors.ErrUnsupported
}

func (s *shelf) Note(line string) { fmt.Println("note:", line) }

// Tags become digests; an image that is not available is a gap, and the inventory has
// the others.
func ExampleResolve() {
	cfg, err := manifests.Parse("imageset.yaml", []byte(`kind: ImageSetConfiguration
apiVersion: mirror.openshift.io/v2alpha1
mirror:
  additionalImages:
  - name: registry.example.com/app:1.0
  - name: registry.example.com/lost:1.0
`))
	if err != nil {
		log.Fatal(err)
	}
	var s shelf
	root, err := s.Artifact("application/vnd.example.app", []oci.ArtifactFile{
		{Title: "app.txt", MediaType: "text/plain", Body: []byte("app\n")},
	})
	if err != nil {
		log.Fatal(err)
	}
	s.refs = map[string]oci.Descriptor{"registry.example.com/app:1.0": root}

	inv, err := manifests.Resolve(context.Background(), cfg, &s)
	var gap *oci.Gap
	if !errors.As(err, &gap) {
		log.Fatal(err)
	}
	for _, img := range inv.Images {
		fmt.Println(img.Source.Name(), img.Root.Digest == root.Digest, img.Tags)
	}
	fmt.Println("gap:", gap.Image.Source, gap.Reason())
	// Output:
	// registry.example.com/app true [1.0]
	// gap: registry.example.com/lost:1.0 not found
}
