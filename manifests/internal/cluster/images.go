package cluster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// ImageUse is an image that a container runs, or that an owner without pods would run: a scaled-down
// Deployment, a CronJob between two runs, a BuildConfig, an ImageStream.
type ImageUse struct {
	Kind            string // of the object that names it, such as Pod or CronJob
	Namespace, Name string // of the object; of several the first
	Container       string // "" where the object has none
	Image           string // as it is written there
	ID              string // the image with its digest, as far as the cluster knows: a pod's imageID, what an ImageStream has imported; "" unknown
	Stream          string // NAMESPACE/NAME:TAG of the ImageStream that the object names in place of an image, or is
	Ended           bool   // only pods or jobs name it that have ended
	Sample          bool   // the Samples operator brought the ImageStream; nobody may use it
	Internal        bool   // the cluster's own registry has it: it was built or pushed there, and no other has it
	Scheduled       bool   // the tag of the ImageStream is imported again and again
}

// maxImages is how many different uses a cluster may have.
const maxImages = 1 << 17

// container is one of a pod, a step of a task, or its status.
type container struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"imageID"`
	Pull    string `json:"imagePullPolicy"`
}

// podSpec is what of a pod's spec names images, and of the specs that stand in its place:
// VirtualMachines have disks, DataVolumes a source, Tasks have steps.
type podSpec struct {
	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
	Steps               []container `json:"steps"`
	Sidecars            []container `json:"sidecars"`
	Volumes             []struct {
		Name  string `json:"name"`
		Image struct {
			Reference string `json:"reference"`
			Pull      string `json:"pullPolicy"`
		} `json:"image"`
		ContainerDisk struct {
			Image string `json:"image"`
			Pull  string `json:"imagePullPolicy"`
		} `json:"containerDisk"`
	} `json:"volumes"`
	Params []struct { // of a Task
		Name    string          `json:"name"`
		Default json.RawMessage `json:"default"`
	} `json:"params"`
	PullSecrets []struct {
		Name string `json:"name"`
	} `json:"imagePullSecrets"`
	Node     string            `json:"nodeName"`
	Selector map[string]string `json:"nodeSelector"`
	OS       struct {
		Name string `json:"name"`
	} `json:"os"`
	Source struct {
		Registry struct {
			URL string `json:"url"`
		} `json:"registry"`
	} `json:"source"`
}

type template struct {
	Spec podSpec `json:"spec"`
}

// owner is what of a pod and of its owners names images, wherever a kind has its template.
type owner struct {
	Spec struct {
		podSpec
		Template    template `json:"template"`
		JobTemplate struct {
			Spec struct {
				Template template `json:"template"`
			} `json:"spec"`
		} `json:"jobTemplate"`
		DataVolumeTemplates []template `json:"dataVolumeTemplates"`
	} `json:"spec"`
	Status struct {
		Phase               string      `json:"phase"`
		CompletionTime      string      `json:"completionTime"`
		Containers          []container `json:"containerStatuses"`
		InitContainers      []container `json:"initContainerStatuses"`
		EphemeralContainers []container `json:"ephemeralContainerStatuses"`
		Conditions          []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

// ended reports whether a pod or a job has.
func (o *owner) ended(kind string) bool {
	switch kind {
	case "Pod":
		return o.Status.Phase == "Succeeded" || o.Status.Phase == "Failed"
	case "Job":
		for _, c := range o.Status.Conditions {
			if (c.Type == "Complete" || c.Type == "Failed") && c.Status == "True" {
				return true
			}
		}
		return o.Status.CompletionTime != ""
	}
	return false
}

// owner adds the images of a pod or of what owns some.
func (g *gathering) owner(h head, body []byte) error {
	var o owner
	if err := json.Unmarshal(body, &o); err != nil {
		return err
	}
	u := ImageUse{Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, Ended: o.ended(h.Kind)}
	started := slices.Concat(o.Status.InitContainers, o.Status.Containers, o.Status.EphemeralContainers)
	specs := []podSpec{o.Spec.podSpec, o.Spec.Template.Spec, o.Spec.JobTemplate.Spec.Template.Spec}
	for _, t := range o.Spec.DataVolumeTemplates {
		specs = append(specs, t.Spec)
	}
	for _, s := range specs {
		if err := g.spec(u, s, started); err != nil {
			return err
		}
	}
	return g.starts(h, body, &o)
}

func (g *gathering) spec(u ImageUse, s podSpec, started []container) error {
	for _, c := range slices.Concat(s.InitContainers, s.Containers, s.EphemeralContainers, s.Steps, s.Sidecars) {
		u.Container, u.Image, u.ID = c.Name, c.Image, ""
		for _, is := range started {
			if is.Name == c.Name {
				u.ID = is.ImageID
			}
		}
		if err := g.image(u); err != nil {
			return err
		}
	}
	u.ID = ""
	for _, v := range s.Volumes {
		u.Container, u.Image = "volume "+v.Name, cmp.Or(v.Image.Reference, v.ContainerDisk.Image)
		if err := g.image(u); err != nil {
			return err
		}
	}
	url, ok := strings.CutPrefix(s.Source.Registry.URL, "docker://")
	if !ok {
		return nil
	}
	u.Container, u.Image = "", url
	return g.image(u)
}

// image adds one use. What takes up memory counts, whoever wrote it.
func (g *gathering) image(u ImageUse) error {
	u.Image = strings.TrimSpace(u.Image) // " " where a trigger has not set it yet
	if u.Image == "" && u.ID == "" && u.Stream == "" || len(u.Image) > maxName || len(u.ID) > maxName {
		return nil
	}
	for _, s := range []*string{&u.Kind, &u.Namespace, &u.Name, &u.Container, &u.Stream} {
		*s = text.ASCII(text.Cut(*s, 253))
	}
	key := imageKey{u.Kind, u.Namespace, u.Image, u.ID, u.Stream}
	if at, ok := g.images[key]; ok {
		have := &g.state.Images[at]
		if have.Ended == u.Ended && u.Name < have.Name || have.Ended && !u.Ended {
			*have = u
		}
		return nil
	}
	if len(g.state.Images) >= maxImages {
		return g.wrong("it names more than %d images", maxImages)
	}
	if err := g.spend(len(u.Image) + len(u.ID) + len(u.Name) + 256); err != nil {
		return err
	}
	g.images[key] = len(g.state.Images)
	g.state.Images = append(g.state.Images, u)
	return nil
}

// imageKey is what makes two uses different.
type imageKey struct{ kind, namespace, image, id, stream string }

func compareUses(a, b ImageUse) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container),
		cmp.Compare(a.Image, b.Image), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Stream, b.Stream))
}
