package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// samplesGroup is the API group of the samples operator; others have a kind Config too.
const samplesGroup = "samples.operator.openshift.io"

// stepSamples says why the samples operator is left alone, and who uses what it made. As Removed
// it deletes the ImageStreams of the namespace openshift, whoever uses them; imports that fail do
// not degrade it (cluster-samples-operator, pkg/stub).
func (e *emission) stepSamples(p *page.Page) {
	if !e.hub.SwitchesHub() {
		return
	}
	state, known := e.samplesState()
	if known && (state == "Removed" || state == "Unmanaged") {
		p.Nothing("the samples operator")
		return
	}
	users, listed := e.samplesUsers()
	if listed && len(users) == 0 {
		p.Nothing("the samples operator, whose ImageStreams nobody uses")
		return
	}
	p.Step("Samples: nothing to change")
	p.Text("Leave the samples operator as it is. Its ImageStreams in the namespace `openshift` import nothing new after the cut, and that does not degrade it. **Do not set it to Removed:** it would delete these ImageStreams, also those that applications use.")
	if len(users) > 0 {
		p.Text("These use them, and must find their images in the mirror. If it lacks one, carry it with the next bundle (`additionalImages`), and name it by digest.")
		p.List(users)
	}
	if !listed {
		p.Text("The commands show which builds and pods use them.")
		p.Run(
			"oc get buildconfigs -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,FROM:.spec.strategy.*.from.name,OF:.spec.strategy.*.from.namespace || true",
			"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F 'svc:5000/openshift/' | sort -u",
		)
	}
	p.Text("If its alerts are unwanted, it can be set to Unmanaged: `oc patch configs.%[1]s/cluster --type=merge -p '{\"spec\":{\"managementState\":\"Unmanaged\"}}'`. If the mirror has the images of its streams, they can be imported from there: spec.samplesRegistry is then `%[2]s`.", samplesGroup, e.Mirrors()[0])
}

// samplesState is the operator's managementState.
func (e *emission) samplesState() (state string, known bool) {
	for _, o := range e.Site.Cluster.Of("Config") {
		var in struct {
			Spec struct {
				ManagementState string `json:"managementState"`
			} `json:"spec"`
		}
		if o.Group() == samplesGroup && json.Unmarshal(o.Body, &in) == nil {
			return in.Spec.ManagementState, true
		}
	}
	return "", false
}

// payloadStreams are ImageStreams of the namespace openshift that come with each release.
var payloadStreams = []string{"cli", "cli-artifacts", "driver-toolkit", "hello-openshift", "installer", "installer-artifacts", "must-gather", "network-tools", "oauth-proxy", "tests", "tools"}

// samplesUsers lists what builds and workloads take from the samples operator's ImageStreams;
// listed says that all of them were looked at.
func (e *emission) samplesUsers() (lines []string, listed bool) {
	if e.Site.Cluster == nil {
		return nil, false
	}
	brought := map[string]bool{}
	for _, u := range e.Site.Cluster.Images {
		if u.Kind == "ImageStream" && u.Namespace == "openshift" {
			brought[u.Stream] = u.Sample
		}
	}
	for _, u := range e.Site.Cluster.Images {
		stream := openshiftStream(u)
		sample, known := brought[stream]
		if name, _, _ := strings.Cut(strings.TrimPrefix(stream, "openshift/"), ":"); !known {
			sample = !slices.Contains(payloadStreams, name)
		}
		if stream == "" || !sample || u.Kind == "ImageStream" || u.Namespace == "openshift" || u.Ended {
			continue
		}
		line := fmt.Sprintf("%s `%s` in `%s`: `%s`", u.Kind, page.Markdown(u.Name), page.Markdown(u.Namespace), page.Markdown(stream))
		if u.ID != "" {
			line += fmt.Sprintf(", now `%s`", page.Markdown(u.ID))
			if e.carriesDigest(u.ID) {
				line += ", which this bundle has"
			}
		}
		lines = append(lines, line)
	}
	return text.Sorted(lines), e.Site.Cluster.Applications()
}

// openshiftStream is the ImageStream of the namespace openshift that an object takes its image from.
func openshiftStream(u cluster.ImageUse) string {
	if strings.HasPrefix(u.Stream, "openshift/") {
		return u.Stream
	}
	if _, name, ok := strings.Cut(u.Image, ".svc:5000/openshift/"); ok {
		return "openshift/" + name
	}
	return ""
}

// carriesDigest reports whether the bundle has the image that a name ends with the digest of.
func (e *emission) carriesDigest(name string) bool {
	return slices.ContainsFunc(e.Images, func(i oci.Image) bool { return strings.HasSuffix(name, "@"+string(i.Root.Digest)) })
}
