package emit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// samplesGroup is the API group of the samples operator; others have a kind Config too.
const samplesGroup = "samples.operator.openshift.io"

// stepSamples says why the samples operator is left alone, and who uses what it made. As Removed
// it deletes the ImageStreams of the namespace openshift, whoever uses them; imports that fail do
// not degrade it (cluster-samples-operator, pkg/stub).
func (e *emission) stepSamples(p *page) {
	if !e.switchesHub() {
		return
	}
	state, known := e.samplesState()
	if known && (state == "Removed" || state == "Unmanaged") {
		p.nothing("the samples operator")
		return
	}
	p.step("Samples: nothing to change")
	p.text("Leave the samples operator as it is. Its ImageStreams in the namespace `openshift` import nothing new after the cut, and that does not degrade it. **Do not set it to Removed:** it would delete these ImageStreams, also those that applications use.")
	users, listed := e.samplesUsers()
	switch {
	case len(users) > 0:
		p.text("These use them. Each must find its image in the mirror: name it there, or carry it with the next bundle.")
		p.list(users)
	case listed:
		p.text("No BuildConfig and no workload that satchel was shown uses them.")
	default:
		p.text("The commands show what uses them: builds and workloads.")
		p.run(
			"oc get buildconfigs -A -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name,FROM:.spec.strategy.*.from.name,OF:.spec.strategy.*.from.namespace || true",
			"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F 'svc:5000/openshift/' | sort -u",
		)
	}
	p.text("If its alerts are unwanted, it can be set to Unmanaged: `oc patch configs.%[1]s/cluster --type=merge -p '{\"spec\":{\"managementState\":\"Unmanaged\"}}'`. If the mirror has the images of its streams, they can be imported from there: spec.samplesRegistry is then `%[2]s`.", samplesGroup, e.mirrors()[0])
}

// samplesState is the operator's managementState.
func (e *emission) samplesState() (state string, known bool) {
	for _, o := range e.site.Cluster.Of("Config") {
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

// imageFrom names an ImageStreamTag or an image (openshift/api, core ObjectReference).
type imageFrom struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// sample reports whether it is of the namespace that the samples are in.
func (f imageFrom) sample() bool {
	return strings.HasPrefix(f.Kind, "ImageStream") && f.Namespace == "openshift" && f.Name != ""
}

// samplesUsers lists what builds and workloads take from the namespace openshift; listed says that
// the builds are known.
func (e *emission) samplesUsers() (lines []string, listed bool) {
	for _, o := range e.site.Cluster.Of("BuildConfig") {
		var in struct {
			Spec struct {
				Strategy map[string]json.RawMessage `json:"strategy"`
				Source   struct {
					Images []struct {
						From imageFrom `json:"from"`
					} `json:"images"`
				} `json:"source"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) != nil {
			continue
		}
		var from []imageFrom
		for _, raw := range in.Spec.Strategy { // type is a string; the others have from
			var s struct {
				From imageFrom `json:"from"`
			}
			if json.Unmarshal(raw, &s) == nil {
				from = append(from, s.From)
			}
		}
		for _, image := range in.Spec.Source.Images {
			from = append(from, image.From)
		}
		lines = append(lines, sampleLines(o.Kind, o.Namespace, o.Name, from)...)
	}
	for _, o := range e.site.Cluster.Of("DeploymentConfig") {
		var in struct {
			Spec struct {
				Triggers []struct {
					ImageChangeParams struct {
						From imageFrom `json:"from"`
					} `json:"imageChangeParams"`
				} `json:"triggers"`
			} `json:"spec"`
		}
		if json.Unmarshal(o.Body, &in) == nil {
			for _, t := range in.Spec.Triggers {
				lines = append(lines, sampleLines(o.Kind, o.Namespace, o.Name, []imageFrom{t.ImageChangeParams.From})...)
			}
		}
	}
	return text.Sorted(lines), e.site.Cluster.Known("BuildConfig")
}

func sampleLines(kind, namespace, name string, from []imageFrom) (lines []string) {
	for _, f := range from {
		if f.sample() && namespace != "openshift" {
			lines = append(lines, fmt.Sprintf("%s `%s` in `%s`: `openshift/%s`", kind, markdown(name), markdown(namespace), markdown(f.Name)))
		}
	}
	return slices.Clip(lines)
}
