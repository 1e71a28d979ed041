package podlist

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/satchel-airgap/satchel/manifests/internal/objects"
)

// Use is one container's image. A volume that is an image counts as a container.
type Use struct {
	Namespace, Pod, Container string
	Image                     string // as the pod names it
	ID                        string // what the node has, if it reports that
}

// pod is what of a pod matters here.
type pod struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
	Spec   spec   `json:"spec"`
	Status status `json:"status"`
}

type spec struct {
	Containers          []container `json:"containers"`
	InitContainers      []container `json:"initContainers"`
	EphemeralContainers []container `json:"ephemeralContainers"`
	Volumes             []struct {
		Name  string `json:"name"`
		Image struct {
			Reference string `json:"reference"`
		} `json:"image"`
	} `json:"volumes"`
}

type status struct {
	Containers          []container `json:"containerStatuses"`
	InitContainers      []container `json:"initContainerStatuses"`
	EphemeralContainers []container `json:"ephemeralContainerStatuses"`
}

type container struct {
	Name    string `json:"name"`
	Image   string `json:"image"`
	ImageID string `json:"imageID"`
}

// reader gives what it finds to found.
type reader struct {
	found func(Use) error
	pods  int
}

// Read reads a list of pods, or single ones, as JSON or YAML. It gives the number
// of pods, and stops with the first error of found.
func Read(r io.Reader, found func(Use) error) (int, error) {
	p := &reader{found: found}
	err := objects.Reader{Object: p.object, List: checkList, What: "pod", Wrong: "it is neither a pod nor a list of pods"}.Read(r)
	return p.pods, err
}

func (p *reader) object(body []byte) error {
	var one pod
	if err := json.Unmarshal(body, &one); err != nil {
		return err
	}
	return p.pod(&one)
}

// pod takes one pod.
func (p *reader) pod(one *pod) error {
	if one.Kind != "" && one.Kind != "Pod" {
		return fmt.Errorf("it has a %.64q and may have only pods", one.Kind)
	}
	p.pods++
	s, st := one.Spec, one.Status
	for _, list := range []struct{ named, started []container }{
		{s.InitContainers, st.InitContainers}, {s.Containers, st.Containers}, {s.EphemeralContainers, st.EphemeralContainers},
	} {
		for _, c := range list.named {
			u := Use{one.Metadata.Namespace, one.Metadata.Name, c.Name, c.Image, idOf(list.started, c.Name)}
			if err := p.use(u); err != nil {
				return err
			}
		}
	}
	for _, v := range s.Volumes {
		if err := p.use(Use{one.Metadata.Namespace, one.Metadata.Name, "volume " + v.Name, v.Image.Reference, ""}); err != nil {
			return err
		}
	}
	return nil
}

// use passes on what names an image.
func (p *reader) use(u Use) error {
	if u.Image == "" && u.ID == "" {
		return nil
	}
	return p.found(u)
}

func idOf(started []container, name string) string {
	for _, c := range started {
		if c.Name == name {
			return c.ImageID
		}
	}
	return ""
}

// checkList checks the kind of what has items.
func checkList(_, kind string) error {
	if kind != "" && kind != "List" && kind != "PodList" {
		return fmt.Errorf("it is a %.64q, no list of pods", kind)
	}
	return nil
}
