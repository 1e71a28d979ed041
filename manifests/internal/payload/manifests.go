package payload

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/blang/semver/v4"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// ownDir has the version operator's own manifests. It reads them as templates, and the
	// gates are among them (cluster-version-operator, pkg/payload/payload.go, install).
	ownDir = "manifests"

	gatesName      = "admin-gates"
	gatesNamespace = "openshift-config-managed"
	featureSets    = "release.openshift.io/feature-set" // library-go, pkg/manifest

	maxManifest = 4 << 20   // bytes of a file that is read; an API server takes less
	maxGates    = 256       // of a payload
	maxGateText = 16 << 10  // bytes of one
	maxPolicies = 64        // of a payload
	maxPrevious = 4096      // versions; 4.16.40 has some 150
	maxPolicy   = 256 << 10 // bytes of one
)

// gateName is what may be a key of a ConfigMap.
var gateName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9._-]{1,253}$`) })

// Facts are what the manifests of a payload say to those who update to it, or from it.
type Facts struct {
	// Previous are the versions that may update to this release, as it says itself.
	Previous []string `json:"previous,omitempty"`
	// Gates are what an administrator must acknowledge before a cluster of this release
	// goes on to the next minor version: the texts of the ConfigMap admin-gates, by key.
	// Operators add more to it in a cluster.
	Gates map[string]string `json:"gates,omitempty"`
	// Policies are the ClusterImagePolicies that the release brings, by name.
	Policies []Policy `json:"policies,omitempty"`
}

// Policy is a ClusterImagePolicy.
type Policy struct {
	Name string `json:"name"`
	// FeatureSets are those of clusters that get it; none: each cluster does.
	FeatureSets []string        `json:"featureSets,omitempty"`
	Body        json.RawMessage `json:"body"` // the whole object, as JSON
}

// Manifests reads the facts of the payload in image, of which any image will do if it is an
// index. What is wrong with a payload is an [oci.UnsupportedError].
func Manifests(ctx context.Context, src oci.Source, image oci.Descriptor) (*Facts, error) {
	one, err := layers.Pick(ctx, src, image)
	if err != nil {
		return nil, fmt.Errorf("read the manifests in the payload: %w", err)
	}
	facts := &Facts{}
	for _, in := range []string{dir, ownDir} {
		err := layers.Walk(ctx, src, one, in, func(name string, size int64, r io.Reader) error {
			if err := facts.file(name, size, r); err != nil {
				return err
			}
			return layers.Last // both come whole with a layer
		})
		var unsupported *oci.UnsupportedError
		if err != nil && !errors.As(err, &unsupported) {
			return nil, fmt.Errorf("read the manifests in the payload: %w", err)
		}
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(facts.Policies, func(a, b Policy) int { return cmp.Compare(a.Name, b.Name) })
	if err := facts.Check(); err != nil {
		return nil, &oci.UnsupportedError{What: "payload " + one.Digest.String(), Why: err.Error()}
	}
	return facts, nil
}

// file reads one file, which may have several objects.
func (f *Facts) file(name string, size int64, r io.Reader) error {
	if name == metadata && size <= maxFile {
		return f.metadata(r)
	}
	if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" && ext != ".json" || size > maxManifest {
		return nil
	}
	body, err := io.ReadAll(r)
	if err != nil || !bytes.Contains(body, []byte(gatesName)) && !bytes.Contains(body, []byte("ClusterImagePolicy")) {
		return err
	}
	docs := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(body)))
	for {
		doc, err := docs.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = f.object(doc)
		}
		if err != nil && !(path.Dir(name) == ownDir && bytes.Contains(doc, []byte("{{"))) { // a template, which no gates are
			return &oci.UnsupportedError{What: "a manifest of a payload", Why: fmt.Sprintf("its %.256q: %v", name, err)}
		}
	}
}

// metadata reads from which versions updates lead to the payload.
func (f *Facts) metadata(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	var m struct {
		Previous []string `json:"previous"`
	}
	if json.Unmarshal(body, &m) == nil { // whoever reads the payload reports what is wrong with it
		f.Previous = m.Previous
	}
	return nil
}

// object takes what an object says, if it is one that matters.
func (f *Facts) object(doc []byte) error {
	body, err := yaml.YAMLToJSON(doc)
	if err != nil {
		return fmt.Errorf("it is not valid YAML: %w", err)
	}
	var o struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name        string            `json:"name"`
			Namespace   string            `json:"namespace"`
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
		Data map[string]string `json:"data"`
	}
	if json.Unmarshal(body, &o) != nil {
		//lint:ignore nilerr other objects may have any form
		return nil
	}
	switch {
	case o.Kind == "ConfigMap" && o.Metadata.Name == gatesName && o.Metadata.Namespace == gatesNamespace:
		f.Gates = o.Data
	case o.Kind == "ClusterImagePolicy":
		p := Policy{Name: o.Metadata.Name, Body: body}
		for _, set := range strings.Split(o.Metadata.Annotations[featureSets], ",") {
			if set = strings.TrimSpace(set); set != "" {
				p.FeatureSets = append(p.FeatureSets, set)
			}
		}
		if f.Policies = append(f.Policies, p); len(body) > maxPolicy || len(f.Policies) > maxPolicies {
			return f.Check() // more of them would fill the memory
		}
	}
	return nil
}

// Check reports what no payload may have.
func (f *Facts) Check() error {
	if len(f.Gates) > maxGates || len(f.Policies) > maxPolicies {
		return fmt.Errorf("it has %d gates for updates and %d policies for signatures", len(f.Gates), len(f.Policies))
	}
	if len(f.Previous) > maxPrevious {
		return fmt.Errorf("it names %d previous versions", len(f.Previous))
	}
	for _, v := range f.Previous {
		if _, err := semver.Parse(v); err != nil {
			return fmt.Errorf("its previous version %.64q is no version", v)
		}
	}
	for name, text := range f.Gates {
		if !gateName().MatchString(name) || len(text) > maxGateText {
			return fmt.Errorf("its gate %.64q is none, or has %d bytes of text", name, len(text))
		}
	}
	for _, p := range f.Policies {
		if p.Name == "" || len(p.Body) > maxPolicy {
			return fmt.Errorf("its policy %.64q has no name, or %d bytes", p.Name, len(p.Body))
		}
	}
	return nil
}
