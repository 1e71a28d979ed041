package kube

import (
	"sigs.k8s.io/yaml"
)

// The objects of the cluster that are written, with the fields that are set and
// no others: no status, no creationTimestamp.
type (
	// Object is the head of each object.
	Object struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Metadata   Metadata `json:"metadata"`
	}
	// Metadata is what is set of an object's metadata.
	Metadata struct {
		Name        string            `json:"name"`
		Namespace   string            `json:"namespace,omitempty"`
		Labels      map[string]string `json:"labels,omitempty"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	// ConfigMap is in the API group "".
	ConfigMap struct {
		Object
		Data       map[string]string `json:"data"`
		BinaryData map[string]string `json:"binaryData,omitempty"`
	}
	// Secret is in the API group ""; its data are encoded as base64.
	Secret struct {
		Object
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	// ContentSourcePolicy is an ImageContentSourcePolicy: rules for pulls by digest, before 4.13.
	ContentSourcePolicy struct {
		Object
		Spec ContentSourceSpec `json:"spec"`
	}
	// ContentSourceSpec has its rules.
	ContentSourceSpec struct {
		RepositoryDigestMirrors []DigestMirrors `json:"repositoryDigestMirrors"`
	}
	// DigestMirrors is one rule: a source, and the mirrors in the order in which nodes try them.
	DigestMirrors struct {
		Source  string   `json:"source"`
		Mirrors []string `json:"mirrors"`
		Policy  string   `json:"mirrorSourcePolicy,omitempty"`
	}
	// DigestMirrorSet is an ImageDigestMirrorSet: rules for pulls by digest, from 4.13 on.
	DigestMirrorSet struct {
		Object
		Spec DigestMirrorSpec `json:"spec"`
	}
	// DigestMirrorSpec has its rules.
	DigestMirrorSpec struct {
		ImageDigestMirrors []DigestMirrors `json:"imageDigestMirrors"`
	}
	// TagMirrorSet is an ImageTagMirrorSet: rules for pulls by tag.
	TagMirrorSet struct {
		Object
		Spec TagMirrorSpec `json:"spec"`
	}
	// TagMirrorSpec has its rules.
	TagMirrorSpec struct {
		ImageTagMirrors []DigestMirrors `json:"imageTagMirrors"`
	}
	// CatalogSource is a catalog of OLM.
	CatalogSource struct {
		Object
		Spec CatalogSourceSpec `json:"spec"`
	}
	// CatalogSourceSpec has its index image, and how its pod runs.
	CatalogSourceSpec struct {
		SourceType    string         `json:"sourceType"`
		Image         string         `json:"image"`
		DisplayName   string         `json:"displayName"`
		Publisher     string         `json:"publisher"`
		Priority      int            `json:"priority,omitempty"`
		GRPCPodConfig map[string]any `json:"grpcPodConfig,omitempty"`
	}
	// ClusterCatalog is a catalog of OLM v1.
	ClusterCatalog struct {
		Object
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
	// ImagePatch is a patch of image.config.
	ImagePatch struct {
		Spec ImagePatchSpec `json:"spec"`
	}
	// ImagePatchSpec names the ConfigMap of certificate authorities.
	ImagePatchSpec struct {
		AdditionalTrustedCA *NameRef `json:"additionalTrustedCA"` // nil takes it away
	}
	// NameRef names an object.
	NameRef struct {
		Name string `json:"name"`
	}
	// DataPatch is a patch of a ConfigMap.
	DataPatch struct {
		Data       map[string]string  `json:"data"`
		BinaryData map[string]*string `json:"binaryData,omitempty"` // nil takes a key away
	}
	// AvailabilityPatch is a patch of a ClusterCatalog.
	AvailabilityPatch struct {
		Spec struct {
			AvailabilityMode *string `json:"availabilityMode"` // nil takes it away
		} `json:"spec"`
	}
	// HelmPatch is a patch of a HelmChartRepository.
	HelmPatch struct {
		Spec struct {
			Disabled *bool `json:"disabled"` // nil takes it away
		} `json:"spec"`
	}
	// HubPatch is a patch of the operator hub.
	HubPatch struct {
		Spec HubPatchSpec `json:"spec"`
	}
	// HubPatchSpec turns default catalogs off.
	HubPatchSpec struct {
		DisableAllDefaultSources bool        `json:"disableAllDefaultSources"`
		Sources                  []HubSource `json:"sources,omitempty"`
	}
	// HubSource is one default catalog.
	HubSource struct {
		Name     string `json:"name"`
		Disabled bool   `json:"disabled"`
	}
)

// YAML writes an object, or a patch.
func YAML(v any) ([]byte, error) { return yaml.Marshal(v) }

// ManagedBy is the label of every object that satchel creates; patches of the cluster's own
// objects do not have it.
const ManagedBy, Satchel = "app.kubernetes.io/managed-by", "satchel"

// Mine selects these objects.
const Mine = ManagedBy + "=" + Satchel

// Ours is the head of an object that satchel creates.
func Ours(apiVersion, kind, name, namespace string) Object {
	o := Theirs(apiVersion, kind, name, namespace)
	o.Metadata.Labels = map[string]string{ManagedBy: Satchel}
	return o
}

// Theirs is the head of an object that every cluster has.
func Theirs(apiVersion, kind, name, namespace string) Object {
	return Object{APIVersion: apiVersion, Kind: kind, Metadata: Metadata{Name: name, Namespace: namespace}}
}
