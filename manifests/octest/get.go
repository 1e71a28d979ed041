package octest

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/jsonpath"
	"sigs.k8s.io/yaml"
)

// get is oc get.
func (c *Cluster) get(in call, o *options, words []string) (string, error) {
	if len(words) > 0 && words[0] == "crd" {
		return c.definitions(words[1:]), nil
	}
	find := func() ([]*unstructured.Unstructured, []error, error) { return c.find(o, words) }
	if len(o.files) > 0 {
		find = func() ([]*unstructured.Unstructured, []error, error) { return c.named(in, o) }
	}
	list, missing, err := find()
	if err != nil {
		return "", err
	}
	if len(missing) > 0 && !o.ignoreNotFound {
		return "", missing[0]
	}
	single := len(list) == 1 && len(words) > 0 && (len(words) > 1 || strings.Contains(words[0], "/"))
	if len(list) == 0 && single {
		return "", nil
	}
	return c.print(o, list, single)
}

// named gives the objects that files name.
func (c *Cluster) named(in call, o *options) (list []*unstructured.Unstructured, missing []error, err error) {
	given, err := c.given(in, o)
	for _, one := range given {
		if found, is := c.objects[keyOf(one)]; is {
			list = append(list, found)
		} else {
			missing = append(missing, notFound(keyOf(one).String()))
		}
	}
	return list, missing, err
}

// notFound is what oc says of an object that is not there.
type notFound string

func (n notFound) Error() string { return "Error from server (NotFound): " + string(n) + " not found" }

// aggregated are the groups that no CustomResourceDefinition is for.
var aggregated = []string{"", "apps", "batch", "apps.openshift.io", "build.openshift.io", "image.openshift.io", "route.openshift.io"}

// definitions lists the CustomResourceDefinitions by name, all or those that are named.
func (c *Cluster) definitions(names []string) string {
	var b strings.Builder
	for _, r := range resources {
		name := r.plural + "." + r.group
		if c.Minor >= r.since && !slices.Contains(aggregated, r.group) && (len(names) == 0 || slices.Contains(names, name)) {
			b.WriteString("customresourcedefinition.apiextensions.k8s.io/" + name + "\n")
		}
	}
	return b.String()
}

// find gives the objects that words name: TYPE[,TYPE] [NAME...], or TYPE/NAME...; and an error for
// each that is not there.
func (c *Cluster) find(o *options, words []string) (list []*unstructured.Unstructured, missing []error, err error) {
	if len(words) == 0 {
		return nil, nil, fmt.Errorf("error: you must specify the type of resource")
	}
	want := func(typ, name string) error {
		r, err := c.resourceNamed(typ)
		if err != nil {
			return err
		}
		found, is := c.objects[Key{r.kind, c.namespace(o, r), name}]
		if !is {
			missing = append(missing, notFound(r.plural+" "+name))
			return nil
		}
		list = append(list, found)
		return nil
	}
	if strings.Contains(words[0], "/") {
		for _, w := range words {
			typ, name, ok := strings.Cut(w, "/")
			if !ok {
				return nil, nil, fmt.Errorf("error: there is no need to specify a resource type as a separate argument")
			}
			if err := want(typ, name); err != nil {
				return nil, nil, err
			}
		}
		return list, missing, nil
	}
	for _, typ := range strings.Split(words[0], ",") {
		for _, name := range words[1:] {
			if err := want(typ, name); err != nil {
				return nil, nil, err
			}
		}
		if len(words) > 1 {
			continue
		}
		r, err := c.resourceNamed(typ)
		if err != nil {
			return nil, nil, err
		}
		list = append(list, c.all(o, r)...)
	}
	return list, missing, nil
}

// namespace is the one that a command is about; "" for what has none.
func (c *Cluster) namespace(o *options, r *resource) string {
	switch {
	case !r.namespaced:
		return ""
	case o.namespace == "":
		return "default"
	}
	return o.namespace
}

// all lists the objects of a kind in the namespace of a command, or in all.
func (c *Cluster) all(o *options, r *resource) (list []*unstructured.Unstructured) {
	for k, one := range c.objects {
		if k.Kind != r.kind || one.GroupVersionKind().Group != r.group || r.namespaced && !o.allNamespaces && k.Namespace != c.namespace(o, r) {
			continue
		}
		if selects(o.selector, one.GetLabels()) && selects(o.fields, map[string]string{"metadata.name": one.GetName()}) {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b *unstructured.Unstructured) int { return compareKeys(keyOf(a), keyOf(b)) })
	return list
}

// selects reports whether labels have what a selector wants: KEY=VALUE, KEY, !KEY, KEY!=VALUE, parted by commas.
func selects(selector string, labels map[string]string) bool {
	for _, want := range strings.Split(selector, ",") {
		if want == "" {
			continue
		}
		if key, is := strings.CutPrefix(want, "!"); is {
			if _, has := labels[key]; has {
				return false
			}
			continue
		}
		if key, value, is := strings.Cut(want, "!="); is {
			if labels[key] == value {
				return false
			}
			continue
		}
		key, value, valued := strings.Cut(strings.Replace(want, "==", "=", 1), "=")
		if got, has := labels[key]; !has || valued && got != value {
			return false
		}
	}
	return true
}

// print writes objects as -o wants them.
func (c *Cluster) print(o *options, list []*unstructured.Unstructured, single bool) (string, error) {
	var whole any
	items := make([]any, len(list))
	for i, one := range list {
		one = one.DeepCopy()
		one.SetManagedFields(nil)
		items[i] = one.Object
	}
	if whole = map[string]any{"apiVersion": "v1", "kind": "List", "items": items, "metadata": map[string]any{"resourceVersion": ""}}; single {
		whole = items[0]
	}
	format, how, _ := strings.Cut(o.output, "=")
	switch format {
	case "", "wide":
		return table(list), nil
	case "yaml", "json":
		return toYAML(&unstructured.Unstructured{Object: whole.(map[string]any)}), nil
	case "name":
		return table(list), nil
	case "jsonpath":
		return query(how, whole)
	case "custom-columns":
		return columns(how, items)
	case "go-template":
		return filled(how, whole)
	}
	return "", fmt.Errorf("error: unable to match a printer suitable for the output format %q", o.output)
}

func table(list []*unstructured.Unstructured) string {
	var b strings.Builder
	for _, one := range list {
		group := ""
		if g := one.GroupVersionKind().Group; g != "" {
			group = "." + g
		}
		b.WriteString(strings.ToLower(one.GetKind()) + group + "/" + one.GetName() + "\n")
	}
	return b.String()
}

// query is a jsonpath; what a path does not find is empty, as oc has it.
func query(template string, in any) (string, error) {
	p := jsonpath.New("oc").AllowMissingKeys(true)
	if err := p.Parse(template); err != nil {
		return "", fmt.Errorf("error: error parsing jsonpath %s, %w", template, err)
	}
	var b bytes.Buffer
	if err := p.Execute(&b, in); err != nil {
		return "", fmt.Errorf("error: error executing jsonpath %q: %w", template, err)
	}
	return b.String(), nil
}

// filled is a go-template.
func filled(text string, in any) (string, error) {
	t, err := template.New("oc").Parse(text)
	if err != nil {
		return "", fmt.Errorf("error: error parsing template %s, %w", text, err)
	}
	var b bytes.Buffer
	if err := t.Execute(&b, in); err != nil {
		return "", fmt.Errorf("error: error executing template %q: %w", text, err)
	}
	return b.String(), nil
}

func columns(spec string, items []any) (string, error) {
	var heads, paths []string
	for _, column := range strings.Split(spec, ",") {
		head, path, ok := strings.Cut(column, ":")
		if !ok {
			return "", fmt.Errorf("error: unexpected custom-columns spec: %s", column)
		}
		heads, paths = append(heads, head), append(paths, "{"+path+"}")
	}
	var b strings.Builder
	b.WriteString(strings.Join(heads, "   ") + "\n")
	for _, item := range items {
		var cells []string
		for _, path := range paths {
			cell, err := query(path, item)
			if err != nil {
				return "", err
			}
			if cell == "" {
				cell = "<none>"
			}
			cells = append(cells, cell)
		}
		b.WriteString(strings.Join(cells, "   ") + "\n")
	}
	return b.String(), nil
}

func toYAML(o *unstructured.Unstructured) string {
	body, err := yaml.Marshal(o.Object)
	if err != nil {
		return "# " + err.Error() + "\n"
	}
	return string(body)
}
