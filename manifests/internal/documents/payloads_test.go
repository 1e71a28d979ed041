package documents

import (
	"errors"
	"reflect"
	"testing"

	"github.com/blang/semver/v4"
	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/payload"
	"github.com/satchel-airgap/satchel/oci"
)

// memory is a store that is a source too.
type memory struct{ oci.Memory }

func (m *memory) Put(mediaType string, body []byte) (oci.Descriptor, error) {
	return m.Add(mediaType, body), nil
}

func TestPayloadFacts(t *testing.T) {
	t.Parallel()
	one := func(version string, gates map[string]string) PayloadFacts {
		return PayloadFacts{digest.FromString(version), semver.MustParse(version), "x86_64", []Update{{semver.MustParse("4.8.1"), []Risk{{"Slow", "It is slow.", "https://a.example"}}}}, "", nil, nil,
			payload.Facts{Previous: []string{"4.8.1"}, Gates: gates, Policies: []payload.Policy{{Name: "p", Body: []byte(`{"a":1}`)}}}}
	}
	a, b := one("4.9.0", map[string]string{"ack-4.9-x-in-4.10": "a\nb"}), one("4.10.3", nil)
	var m memory
	docs, err := WritePayloadFacts(t.Context(), []PayloadFacts{b, a, b}, &m)
	if err != nil {
		t.Fatal(err)
	}
	list, err := ReadPayloadFacts(t.Context(), &oci.Inventory{Documents: docs}, &m)
	if err != nil || !reflect.DeepEqual(list, []PayloadFacts{a, b}) {
		t.Errorf("got %+v, %v", list, err)
	}
	if list, err := ReadPayloadFacts(t.Context(), &oci.Inventory{}, &m); list != nil || err != nil {
		t.Errorf("of an earlier version: got %+v, %v", list, err)
	}
	for _, body := range []string{"", "{}", `{"payload":"sha256:x","version":"4.9.0"}`, `{"payload":"` + a.Payload.String() + `","version":"4.9"}`, `{"payload":"` + a.Payload.String() + `","version":"4.9.0","gates":{"a b":""}}`} {
		docs, err := Write(t.Context(), DocumentPayloads, ArtifactPayloads, []oci.ArtifactFile{{Title: "x", MediaType: "application/json", Body: []byte(body)}}, &m)
		if err != nil {
			t.Fatal(err)
		}
		var ue *oci.UnsupportedError
		if _, err := ReadPayloadFacts(t.Context(), &oci.Inventory{Documents: docs}, &m); !errors.As(err, &ue) {
			t.Errorf("%s: got %v", body, err)
		}
	}
}
