package payload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// keysAnnotation marks the ConfigMap, and keysPrefix begins the names of its keys
	// (library-go, pkg/verify).
	keysAnnotation = "release.openshift.io/verification-config-map"
	keysPrefix     = "verifier-public-key-"

	maxKeysFile = 1 << 20 // bytes; that of 4.18 has 14 KiB
)

// Keys reads the public keys that a payload has its cluster trust to sign releases,
// armoured, one after the other; none is no error. It is for payloads that are
// verified themselves.
func Keys(ctx context.Context, src oci.Source, image oci.Descriptor) ([]byte, error) {
	var keys []byte
	err := layers.Walk(ctx, src, image, dir, func(name string, size int64, r io.Reader) error {
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".json" || size > maxKeysFile {
			return nil
		}
		body, err := io.ReadAll(r)
		if err != nil || !bytes.Contains(body, []byte(keysAnnotation)) {
			return err
		}
		if keys, err = parseKeys(body); err != nil {
			return &oci.UnsupportedError{What: "payload " + image.Digest.String(), Why: fmt.Sprintf("its %.256q: %v", name, err)}
		}
		if keys == nil {
			return nil
		}
		return layers.Stop
	})
	if err != nil {
		return nil, fmt.Errorf("read the keys in the payload: %w", err)
	}
	return keys, nil
}

// parseKeys gives the keys of a ConfigMap that has the annotation, by their names.
func parseKeys(body []byte) ([]byte, error) {
	var cm struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	if err := yaml.Unmarshal(body, &cm); err != nil {
		return nil, fmt.Errorf("it is not valid YAML: %w", err)
	}
	if _, marked := cm.Metadata.Annotations[keysAnnotation]; !marked || cm.Kind != "ConfigMap" {
		return nil, nil
	}
	var keys []byte
	for _, name := range slices.Sorted(maps.Keys(cm.Data)) {
		if strings.HasPrefix(name, keysPrefix) {
			keys = append(append(keys, cm.Data[name]...), '\n')
		}
	}
	return keys, nil
}
