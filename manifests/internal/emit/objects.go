package emit

import (
	"encoding/json"

	"sigs.k8s.io/yaml"
)

// The objects of the cluster that are written, with the fields that are set and
// no others: no status, no creationTimestamp.
type (
	object struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Metadata   metadata `json:"metadata"`
	}
	metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	configMap struct {
		object
		Data       map[string]string `json:"data"`
		BinaryData map[string]string `json:"binaryData,omitempty"`
	}
	secret struct {
		object
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	contentSourcePolicy struct {
		object
		Spec contentSourceSpec `json:"spec"`
	}
	contentSourceSpec struct {
		RepositoryDigestMirrors []digestMirrors `json:"repositoryDigestMirrors"`
	}
	digestMirrors struct {
		Source  string   `json:"source"`
		Mirrors []string `json:"mirrors"`
		Policy  string   `json:"mirrorSourcePolicy,omitempty"`
	}
	digestMirrorSet struct {
		object
		Spec digestMirrorSpec `json:"spec"`
	}
	digestMirrorSpec struct {
		ImageDigestMirrors []digestMirrors `json:"imageDigestMirrors"`
	}
	tagMirrorSet struct {
		object
		Spec tagMirrorSpec `json:"spec"`
	}
	tagMirrorSpec struct {
		ImageTagMirrors []digestMirrors `json:"imageTagMirrors"`
	}
	catalogSource struct {
		object
		Spec catalogSourceSpec `json:"spec"`
	}
	catalogSourceSpec struct {
		SourceType    string         `json:"sourceType"`
		Image         string         `json:"image"`
		DisplayName   string         `json:"displayName"`
		Publisher     string         `json:"publisher"`
		Priority      int            `json:"priority,omitempty"`
		GRPCPodConfig map[string]any `json:"grpcPodConfig,omitempty"`
	}
	clusterCatalog struct {
		object
		Spec struct {
			Priority int `json:"priority,omitempty"`
			Source   struct {
				Type  string `json:"type"`
				Image struct {
					Ref string `json:"ref"`
				} `json:"image"`
			} `json:"source"`
		} `json:"spec"`
	}
)

// The patches, as merge patches (RFC 7386) of one field each.
type (
	imagePatch struct {
		Spec imagePatchSpec `json:"spec"`
	}
	imagePatchSpec struct {
		AdditionalTrustedCA *nameRef `json:"additionalTrustedCA"` // nil takes it away
	}
	nameRef struct {
		Name string `json:"name"`
	}
	dataPatch struct {
		Data       map[string]string  `json:"data"`
		BinaryData map[string]*string `json:"binaryData,omitempty"` // nil takes a key away
	}
	availabilityPatch struct {
		Spec struct {
			AvailabilityMode *string `json:"availabilityMode"` // nil takes it away
		} `json:"spec"`
	}
	helmPatch struct {
		Spec struct {
			Disabled *bool `json:"disabled"` // nil takes it away
		} `json:"spec"`
	}
	hubPatch struct {
		Spec hubPatchSpec `json:"spec"`
	}
	hubPatchSpec struct {
		DisableAllDefaultSources bool        `json:"disableAllDefaultSources"`
		Sources                  []hubSource `json:"sources,omitempty"`
	}
	hubSource struct {
		Name     string `json:"name"`
		Disabled bool   `json:"disabled"`
	}
	hubRestore struct {
		Spec hubRestoreSpec `json:"spec"`
	}
	hubRestoreSpec struct {
		DisableAllDefaultSources *bool           `json:"disableAllDefaultSources"`
		Sources                  json.RawMessage `json:"sources"` // null takes it away
	}
)

func toYAML(v any) ([]byte, error) { return yaml.Marshal(v) }

// managedBy is the label of every object that satchel creates; patches of the cluster's own
// objects do not have it.
const managedBy, satchel = "app.kubernetes.io/managed-by", "satchel"

// mine selects these objects.
const mine = managedBy + "=" + satchel

// objectOf is the head of an object that satchel creates.
func objectOf(apiVersion, kind, name, namespace string) object {
	o := theirs(apiVersion, kind, name, namespace)
	o.Metadata.Labels = map[string]string{managedBy: satchel}
	return o
}

// theirs is the head of an object that every cluster has.
func theirs(apiVersion, kind, name, namespace string) object {
	return object{APIVersion: apiVersion, Kind: kind, Metadata: metadata{Name: name, Namespace: namespace}}
}
