package helm

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"k8s.io/client-go/util/jsonpath"
)

// Image is one that an object names.
type Image struct {
	Ref      string `json:"ref"`                // as it is written
	Where    string `json:"where"`              // KIND/NAME and the container, for people
	Loose    bool   `json:"loose,omitempty"`    // an expression found it, and no field says that it is an image
	Template string `json:"template,omitempty"` // that the object comes from
}

// podPaths are where kinds have a pod: Pod and alike, workloads, CronJob,
// PodTemplate.
var podPaths = [][]string{
	{"spec"},
	{"spec", "template", "spec"},
	{"spec", "jobTemplate", "spec", "template", "spec"},
	{"template", "spec"},
}

// containerLists are the fields of a pod with containers (Kubernetes, PodSpec).
var containerLists = []struct{ field, what string }{
	{"containers", "container"},
	{"initContainers", "init container"},
	{"ephemeralContainers", "ephemeral container"},
}

// Images lists the images that an object's pods run or mount. A container that
// names none, as those which an image stream fills, is skipped.
func Images(o Object) []Image {
	var list []Image
	where := o.name
	for _, path := range podPaths {
		pod := o.Fields
		for _, field := range path {
			pod, _ = pod[field].(map[string]any)
		}
		for _, c := range containerLists {
			for _, entry := range entries(pod[c.field]) {
				list = append(list, image(entry["image"], where, c.what, entry["name"])...)
			}
		}
		for _, entry := range entries(pod["volumes"]) {
			if v, ok := entry["image"].(map[string]any); ok {
				list = append(list, image(v["reference"], where, "image volume", entry["name"])...)
			}
		}
	}
	return list
}

func image(ref any, where, what string, name any) []Image {
	s, _ := ref.(string)
	if s = strings.TrimSpace(s); s == "" {
		return nil
	}
	called, _ := name.(string)
	return []Image{{Ref: s, Where: strings.TrimSpace(where + " " + what + " " + called)}}
}

func entries(v any) []map[string]any {
	items, _ := v.([]any)
	var list []map[string]any
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			list = append(list, m)
		}
	}
	return list
}

func kind(o Object) string {
	kind, _ := o.Fields["kind"].(string)
	return cmp.Or(kind, "object")
}

// name is KIND/NAME of an object.
func name(o Object) string {
	meta, _ := o.Fields["metadata"].(map[string]any)
	called, _ := meta["name"].(string)
	return kind(o) + "/" + cmp.Or(called, "(no name)")
}

// Path is a JSONPath expression as kubectl takes it, to images that stand
// elsewhere.
type Path struct {
	expr   string
	parsed *jsonpath.JSONPath
}

// ParsePath reads an expression, with or without its braces.
func ParsePath(expr string) (Path, error) {
	text := strings.TrimSpace(expr)
	if !strings.HasPrefix(text, "{") {
		text = "{." + strings.TrimPrefix(strings.TrimPrefix(text, "$"), ".") + "}"
	}
	p := jsonpath.New("imagePaths").AllowMissingKeys(true)
	if err := p.Parse(text); err != nil {
		return Path{}, err
	}
	return Path{expr, p}, nil
}

func (p Path) String() string { return p.expr }

// namesImage matches expressions whose last field says that it is an image.
var namesImage = regexp.MustCompile(`(?i)image(s|reference|ref)?(['"]?\])?(\[[^\]]*\])*\}?$`)

// Images lists what the expression points at in an object: names, or lists of
// them, and other single values. Objects that it points at are an error; nothing
// at all is not.
func (p Path) Images(o Object) ([]Image, error) {
	results, err := p.parsed.FindResults(o.Fields)
	if err != nil {
		//lint:ignore nilerr the object has not the shape that the expression is for
		return nil, nil
	}
	var list []Image
	for _, set := range results {
		for _, v := range set {
			some, err := p.names(v.Interface(), o.name)
			if err != nil {
				return nil, err
			}
			list = append(list, some...)
		}
	}
	return list, nil
}

func (p Path) names(v any, where string) ([]Image, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		list := image(v, where, "imagePaths", p.expr)
		for i := range list {
			list[i].Loose = !namesImage.MatchString(strings.TrimSpace(p.expr))
		}
		return list, nil
	case bool, int64, float64:
		return []Image{{Ref: fmt.Sprint(v), Where: where + " imagePaths " + p.expr, Loose: true}}, nil
	case []any:
		var list []Image
		for _, item := range v {
			some, err := p.names(item, where)
			if err != nil {
				return nil, err
			}
			list = append(list, some...)
		}
		return list, nil
	}
	return nil, fmt.Errorf("imagePaths %s points at something in %s that is not the name of an image", p.expr, where)
}
