package cluster

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// imageFrom is how builds and ImageStreams name an image: by DockerImage, ImageStreamTag or
// ImageStreamImage (openshift/api, build/v1 and image/v1).
type imageFrom struct {
	Kind      string `json:"kind"`
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// stream is an ImageStream.
type stream struct {
	Metadata struct {
		Labels map[string]string `json:"labels"`
	} `json:"metadata"`
	Spec struct {
		Tags []struct {
			Name   string    `json:"name"`
			From   imageFrom `json:"from"`
			Import struct {
				Scheduled bool `json:"scheduled"`
			} `json:"importPolicy"`
		} `json:"tags"`
	} `json:"spec"`
	Status struct {
		Repository       string `json:"dockerImageRepository"`
		PublicRepository string `json:"publicDockerImageRepository"`
		Tags             []struct {
			Tag   string `json:"tag"`
			Items []struct {
				Reference string `json:"dockerImageReference"`
				Image     string `json:"image"` // its digest
			} `json:"items"`
		} `json:"tags"`
	} `json:"status"`
}

// tag is one of an ImageStream.
type tag struct {
	from   string // the image that it is imported from, as written
	id     string // what it has now
	alias  string // the tag that it follows
	sample bool
	again  bool // it is imported again and again
}

const labelSamples = "samples.operator.openshift.io/managed"

// stream notes the tags of an ImageStream. Each that has an image of another registry is a use.
func (g *gathering) stream(h head, body []byte) error {
	var s stream
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	for _, repo := range []string{s.Status.Repository, s.Status.PublicRepository} {
		if host, _, ok := strings.Cut(repo, "/"); ok {
			g.internal[host] = true
		}
	}
	at := h.Metadata.Namespace + "/" + h.Metadata.Name
	tags := map[string]tag{}
	for _, t := range s.Spec.Tags {
		one := tag{sample: s.Metadata.Labels[labelSamples] == "true", again: t.Import.Scheduled}
		switch t.From.Kind {
		case "DockerImage":
			one.from = t.From.Name
		case "ImageStreamTag":
			one.alias = key(t.From, h.Metadata.Namespace)
			if !strings.Contains(t.From.Name, ":") {
				one.alias = at + ":" + t.From.Name
			}
		}
		tags[t.Name] = one
	}
	for _, t := range s.Status.Tags {
		one := tags[t.Tag]
		for i, item := range t.Items {
			if i == 0 {
				one.id = item.Reference
			}
			if item.Image != "" {
				if err := g.remember(at+"@"+item.Image, tag{id: item.Reference}); err != nil {
					return err
				}
			}
		}
		tags[t.Tag] = one
	}
	for name, one := range tags {
		u := ImageUse{Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, Image: one.from, ID: one.id, Stream: at + ":" + name, Sample: one.sample, Scheduled: one.again}
		if err := cmp.Or(g.remember(at+":"+name, one), g.image(u)); err != nil {
			return err
		}
	}
	return nil
}

func (g *gathering) remember(name string, t tag) error {
	if len(name)+len(t.from)+len(t.id)+len(t.alias) > 4*maxName {
		return nil
	}
	g.tags[name] = t
	return g.spend(len(name) + len(t.from) + len(t.id) + len(t.alias) + 128)
}

// key is the name of the tag of an ImageStream.
func key(r imageFrom, namespace string) string { return cmp.Or(r.Namespace, namespace) + "/" + r.Name }

// buildConfig is what of a BuildConfig names images.
type buildConfig struct {
	Spec struct {
		Strategy map[string]json.RawMessage `json:"strategy"`
		Source   struct {
			Dockerfile string `json:"dockerfile"`
			Images     []struct {
				From imageFrom `json:"from"`
			} `json:"images"`
		} `json:"source"`
	} `json:"spec"`
}

// buildConfig adds the images that a build begins with, or takes files from.
func (g *gathering) buildConfig(h head, body []byte) error {
	var b buildConfig
	if err := json.Unmarshal(body, &b); err != nil {
		return err
	}
	var from []imageFrom
	for _, name := range []string{"sourceStrategy", "dockerStrategy", "customStrategy"} {
		var strategy struct {
			From imageFrom `json:"from"`
		}
		if raw := b.Spec.Strategy[name]; raw != nil {
			if err := json.Unmarshal(raw, &strategy); err != nil {
				return err
			}
			from = append(from, strategy.From)
		}
	}
	for _, i := range b.Spec.Source.Images {
		from = append(from, i.From)
	}
	for _, name := range bases(b.Spec.Source.Dockerfile) {
		from = append(from, imageFrom{Kind: "DockerImage", Name: name})
	}
	for _, r := range from {
		u := ImageUse{Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name}
		switch r.Kind {
		case "DockerImage":
			u.Image = r.Name
		case "ImageStreamTag", "ImageStreamImage":
			u.Stream = key(r, h.Metadata.Namespace)
		}
		if err := g.image(u); err != nil {
			return err
		}
	}
	return nil
}

// bases lists the images that a Dockerfile begins its stages with. One that a variable names is
// not known, and scratch is none.
func bases(dockerfile string) (list []string) {
	var stages []string
	for line := range strings.Lines(dockerfile) {
		words := strings.Fields(line)
		if len(words) < 2 || !strings.EqualFold(words[0], "FROM") {
			continue
		}
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "--") })
		if len(words) == 0 {
			continue
		}
		if name := words[0]; name != "scratch" && !strings.Contains(name, "$") && !slices.Contains(stages, name) {
			list = append(list, name)
		}
		if len(words) == 3 && strings.EqualFold(words[1], "AS") {
			stages = append(stages, words[2])
		}
	}
	return list
}

// maxAliases is how many tags may follow one another.
const maxAliases = 8

// resolve finds the images of all uses that name an ImageStream, also those that name one by its
// place in the cluster's own registry. What that registry alone has is marked.
func (g *gathering) resolve() {
	list := g.state.Images[:0]
	seen := map[ImageUse]bool{}
	for _, u := range g.state.Images {
		if u.Stream != "" && u.Image == "" && u.ID == "" || u.Kind == "ImageStream" && u.Image == "" {
			t := g.follow(u.Stream)
			u.Image, u.ID = t.from, t.id
		} else if name, ok := g.inRegistry(u.Image); ok && u.Kind != "ImageStream" {
			u.Stream = name
			if t := g.follow(name); t.id != "" && !g.isInternal(t.id) {
				u.Image, u.ID = t.from, t.id
			}
		}
		if u.Image == "" && g.isInternal(u.ID) || g.isInternal(u.Image) {
			u.Internal = true
		}
		if u.Image == "" {
			u.Image = u.ID
		}
		if !seen[u] {
			seen[u] = true
			list = append(list, u)
		}
	}
	slices.SortFunc(list, compareUses)
	g.state.Images = list
}

// follow gives what a tag of an ImageStream has, or the tag that it follows.
func (g *gathering) follow(name string) tag {
	t := g.tags[name]
	for range maxAliases {
		if t.alias == "" || t.from != "" {
			break
		}
		next := g.tags[t.alias]
		next.id = cmp.Or(next.id, t.id)
		t = next
	}
	return t
}

// ownRegistries are the names of the cluster's own registry.
var ownRegistries = []string{"image-registry.openshift-image-registry.svc:5000", "image-registry.openshift-image-registry.svc.cluster.local:5000"}

func (g *gathering) isInternal(image string) bool {
	host, _, _ := strings.Cut(image, "/")
	return g.internal[host] || slices.Contains(ownRegistries, host)
}

// inRegistry gives the name of the ImageStream's tag or image that a place in the cluster's own
// registry is.
func (g *gathering) inRegistry(image string) (name string, ok bool) {
	if !g.isInternal(image) {
		return "", false
	}
	_, name, ok = strings.Cut(image, "/")
	return name, ok && strings.ContainsAny(name, ":@")
}
