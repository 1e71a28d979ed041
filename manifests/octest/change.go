package octest

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// given reads the objects of -f and -k.
func (c *Cluster) given(in call, o *options) (list []*unstructured.Unstructured, err error) {
	files := slices.Clone(o.files)
	if o.kustomize != "" {
		if files, err = kustomized(in, o.kustomize); err != nil {
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, errors.New("error: must specify one of -f and -k")
	}
	for _, name := range files {
		body, err := in.read(name)
		if err != nil {
			return nil, err
		}
		objects, err := decode(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("error: %s: %w", name, err)
		}
		if len(objects) == 0 {
			return nil, fmt.Errorf("error: no objects passed to apply: %s", name)
		}
		list = append(list, objects...)
	}
	return list, nil
}

// kustomized lists the files of a kustomization that has resources alone, also those of others
// that it names.
func kustomized(in call, dir string) (files []string, err error) {
	body, err := in.read(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	var k struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}
	if err := yaml.UnmarshalStrict(body, &k); err != nil {
		return nil, fmt.Errorf("error: kustomization.yaml: %w", err)
	}
	for _, name := range k.Resources {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(filepath.Join(in.Dir, path)); err == nil && info.IsDir() {
			more, err := kustomized(in, path)
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
			continue
		}
		files = append(files, path)
	}
	return files, nil
}

// applyFiles is oc apply.
func (c *Cluster) applyFiles(in call, o *options) (string, error) {
	list, err := c.given(in, o)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, one := range list {
		var did string
		if o.serverSide {
			did, err = c.applyServerSide(one, o.manager, o.force)
		} else {
			did, err = c.apply(one)
		}
		if err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s/%s %s\n", strings.ToLower(one.GetKind()), one.GetName(), did)
	}
	return b.String(), nil
}

// diff prints what oc apply would take away or add, line by line.
func (c *Cluster) diff(in call, o *options) (string, int, error) {
	list, err := c.given(in, o)
	if err != nil {
		return "", 2, err
	}
	var b strings.Builder
	for _, one := range list {
		live := ""
		if have, is := c.objects[keyOf(one)]; is {
			live = toYAML(stripped(have))
		}
		lines := func(s string) map[string]bool {
			set := map[string]bool{}
			for l := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
				set[l] = true
			}
			return set
		}
		was, will := lines(live), lines(toYAML(stripped(one)))
		for _, l := range slices.Sorted(maps.Keys(was)) {
			if !will[l] {
				b.WriteString("-" + l + "\n")
			}
		}
		for _, l := range slices.Sorted(maps.Keys(will)) {
			if !was[l] {
				b.WriteString("+" + l + "\n")
			}
		}
	}
	if b.Len() > 0 {
		return b.String(), 1, nil
	}
	return "", 0, nil
}

// patch is oc patch with a merge patch.
func (c *Cluster) patch(in call, o *options, words []string) (string, error) {
	if o.patchType != "merge" && o.patchType != "json" {
		return "", fmt.Errorf("error: only --type=merge and json are known, not %q", o.patchType)
	}
	body := []byte(o.patch)
	if o.patchFile != "" {
		var err error
		if body, err = in.read(o.patchFile); err != nil {
			return "", err
		}
	}
	patch, err := yaml.YAMLToJSON(body)
	if err != nil {
		return "", fmt.Errorf("error: unable to parse %q: %w", body, err)
	}
	list, missing, err := c.find(o, words)
	if err = errors.Join(append(missing, err)...); err != nil {
		return "", err
	}
	if len(words) < 2 && !strings.Contains(words[0], "/") {
		return "", errors.New("error: the name of what is patched is missing")
	}
	var b strings.Builder
	for _, live := range list {
		r, err := c.resourceOf(live.GroupVersionKind())
		if err != nil {
			return "", err
		}
		change := func() (string, error) { return c.merge(r, live, patch, "kubectl-patch") }
		if o.patchType == "json" {
			change = func() (string, error) { return c.jsonPatch(r, live, patch) }
		}
		did, err := change()
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s/%s patched (%s)\n", r.plural, live.GetName(), did)
	}
	return b.String(), nil
}

// deletion is oc delete.
func (c *Cluster) deletion(in call, o *options, words []string) (string, error) {
	var list []*unstructured.Unstructured
	var missing []error
	var err error
	if len(o.files) > 0 {
		list, err = c.given(in, o)
	} else {
		if len(words) == 1 && !strings.Contains(words[0], "/") && o.selector == "" && o.fields == "" && !o.all {
			return "", errors.New("error: resource(s) were provided, but no name was specified")
		}
		list, missing, err = c.find(o, words)
	}
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, one := range list {
		key := keyOf(one)
		if _, is := c.objects[key]; !is {
			missing = append(missing, notFound(key.String()))
			continue
		}
		delete(c.objects, key)
		c.note("deleted", key)
		fmt.Fprintf(&b, "%s %q deleted\n", strings.ToLower(key.Kind), key.Name)
	}
	if len(missing) > 0 && !o.ignoreNotFound {
		return b.String(), missing[0]
	}
	return b.String(), nil
}

// set is oc set data.
func (c *Cluster) set(in call, o *options, words []string) (string, error) {
	if len(words) < 2 || words[0] != "data" {
		return "", errors.New("error: only oc set data is known")
	}
	list, missing, err := c.find(o, words[1:2])
	if err = errors.Join(append(missing, err)...); err != nil {
		return "", err
	}
	live := list[0]
	next, secret := live.DeepCopy(), live.GetKind() == "Secret"
	for _, pair := range o.fromFile {
		key, file, ok := strings.Cut(pair, "=")
		if !ok {
			key, file = filepath.Base(pair), pair
		}
		body, err := in.read(file)
		if err != nil {
			return "", err
		}
		value := string(body)
		if secret {
			value = base64.StdEncoding.EncodeToString(body)
		}
		if err := unstructured.SetNestedField(next.Object, value, "data", key); err != nil {
			return "", err
		}
	}
	r, err := c.resourceOf(live.GroupVersionKind())
	if err != nil {
		return "", err
	}
	did, err := c.store(r, live, next, "kubectl-set")
	return fmt.Sprintf("%s/%s data updated (%s)\n", r.plural, live.GetName(), did), err
}

// extract is oc extract.
func (c *Cluster) extract(in call, o *options, words []string) (string, error) {
	list, missing, err := c.find(o, words)
	if err = errors.Join(append(missing, err)...); err != nil {
		return "", err
	}
	data, _, err := unstructured.NestedStringMap(list[0].Object, "data")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if len(o.keys) > 0 && !slices.Contains(o.keys, key) {
			continue
		}
		value := []byte(data[key])
		if list[0].GetKind() == "Secret" {
			if value, err = base64.StdEncoding.DecodeString(data[key]); err != nil {
				return "", err
			}
		}
		if o.to == "-" {
			b.Write(value) // its name goes to standard error
			continue
		}
		file := filepath.Join(in.Dir, o.to, key)
		if _, err := os.Stat(file); err == nil && !o.confirm {
			return "", fmt.Errorf("error: %s exists: pass --confirm to overwrite", file)
		}
		if err := os.WriteFile(file, value, 0o600); err != nil {
			return "", err
		}
		b.WriteString(key + "\n")
	}
	return b.String(), nil
}

// mark is oc label and oc annotate.
func (c *Cluster) mark(o *options, verb string, words []string) (string, error) {
	at := slices.IndexFunc(words, func(w string) bool { return strings.Contains(w, "=") || strings.HasSuffix(w, "-") })
	if at < 1 {
		return "", fmt.Errorf("error: at least one %s update is required", verb)
	}
	list, missing, err := c.find(o, words[:at])
	if err = errors.Join(append(missing, err)...); err != nil {
		return "", err
	}
	for _, live := range list {
		next := live.DeepCopy()
		marks := next.GetLabels()
		if verb == "annotate" {
			marks = next.GetAnnotations()
		}
		if marks == nil {
			marks = map[string]string{}
		}
		for _, w := range words[at:] {
			if key, value, set := strings.Cut(w, "="); set {
				marks[key] = value
			} else {
				delete(marks, strings.TrimSuffix(w, "-"))
			}
		}
		if len(marks) == 0 {
			marks = nil // the API server leaves an empty map out
		}
		if verb == "annotate" {
			next.SetAnnotations(marks)
		} else {
			next.SetLabels(marks)
		}
		r, err := c.resourceOf(live.GroupVersionKind())
		if err != nil {
			return "", err
		}
		if _, err := c.store(r, live, next, "kubectl-"+verb); err != nil {
			return "", err
		}
	}
	return "", nil
}
