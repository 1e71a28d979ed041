package helm

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"sigs.k8s.io/yaml"
)

// RenderError says that templates and values do not go together.
type RenderError struct{ Msg string }

func (e *RenderError) Error() string { return e.Msg }

// CheckValues reports what is wrong with a values file.
func CheckValues(file []byte) error {
	_, err := chartutil.ReadValues(file)
	return err
}

// Object is one that a chart makes.
type Object struct {
	Template string // that it comes from
	Fields   map[string]any
	name     string // KIND/NAME, for people
}

// The Kubernetes that templates see: what Helm's library has built in is so old
// that charts refuse it.
const kubeMajor, kubeMinor = "1", "34"

// openshiftAPIs are what templates ask for to find out whether the cluster is an
// OpenShift, and the kinds that it has from the start.
var openshiftAPIs = []string{
	"apps.openshift.io/v1", "build.openshift.io/v1", "config.openshift.io/v1", "console.openshift.io/v1",
	"image.openshift.io/v1", "machineconfiguration.openshift.io/v1", "monitoring.coreos.com/v1", "oauth.openshift.io/v1",
	"operator.openshift.io/v1", "operators.coreos.com/v1", "operators.coreos.com/v1alpha1", "project.openshift.io/v1",
	"route.openshift.io/v1", "security.openshift.io/v1", "template.openshift.io/v1", "user.openshift.io/v1",
}

// Objects renders the chart, with its default values under those of the given
// files, of which later ones win. It renders twice, to find the names that are made
// at random: what is said of an object is always the same. A chart that does not render is a *[RenderError].
func (c *Chart) Objects(given ...[]byte) ([]Object, error) {
	if err := c.missing(); err != nil {
		return nil, err
	}
	again, err := Load(c.Archive)
	if err != nil {
		return nil, err
	}
	list, err := c.objects(given)
	if err != nil {
		return nil, err
	}
	second, err := again.objects(given)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].name = name(list[i])
		if len(second) != len(list) || name(second[i]) != list[i].name {
			list[i].name = kind(list[i]) + "/(name at random)"
		}
	}
	return list, nil
}

// objects renders once.
func (c *Chart) objects(given [][]byte) ([]Object, error) {
	files, err := c.render(given)
	if err != nil {
		return nil, &RenderError{Msg: err.Error()}
	}
	var list []Object
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) == "NOTES.txt" {
			continue
		}
		some, err := documents(name, files[name])
		if err != nil {
			return nil, &RenderError{Msg: fmt.Sprintf("template %s: %v", name, err)}
		}
		list = append(list, some...)
	}
	return list, nil
}

// render gives the text of each template.
func (c *Chart) render(given [][]byte) (map[string]string, error) {
	values := map[string]any{}
	for _, file := range given {
		v, err := chartutil.ReadValues(file)
		if err != nil {
			return nil, fmt.Errorf("read values: %w", err)
		}
		values = chartutil.MergeTables(v.AsMap(), values)
	}
	if err := chartutil.ProcessDependenciesWithMerge(c.chart, values); err != nil {
		return nil, err
	}
	caps := chartutil.DefaultCapabilities.Copy()
	caps.KubeVersion = chartutil.KubeVersion{Version: "v" + kubeMajor + "." + kubeMinor + ".0", Major: kubeMajor, Minor: kubeMinor}
	caps.APIVersions = append(slices.Clone(caps.APIVersions), openshiftAPIs...)
	release := chartutil.ReleaseOptions{Name: "release-name", Namespace: "default", Revision: 1, IsInstall: true}
	// Schemas are not looked at: they may name others on the network.
	all, err := chartutil.ToRenderValuesWithSchemaValidation(c.chart, values, release, caps, true)
	if err != nil {
		return nil, err
	}
	return engine.Render(c.chart, all)
}

// separator stands between documents, as Helm sees it (pkg/releaseutil,
// SplitManifests): what follows the dashes may stand on their line.
var separator = regexp.MustCompile(`(?:^|\s*\n)---\s*`)

// documents takes the YAML of a template apart, and lists within it.
func documents(template, text string) (list []Object, err error) {
	for _, doc := range separator.Split(strings.TrimSpace(text), -1) {
		var v any
		if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
			return nil, err
		}
		switch v := v.(type) {
		case nil:
		case map[string]any:
			list = append(list, flat(template, v)...)
		default:
			return nil, fmt.Errorf("it gives a %T where an object belongs", v)
		}
	}
	return list, nil
}

// flat gives an object, or those of a list.
func flat(template string, v map[string]any) []Object {
	items, ok := v["items"].([]any)
	if kind, _ := v["kind"].(string); !ok || !strings.HasSuffix(kind, "List") {
		return []Object{{Template: template, Fields: v}}
	}
	var list []Object
	for _, item := range items {
		if o, ok := item.(map[string]any); ok {
			list = append(list, flat(template, o)...)
		}
	}
	return list
}
