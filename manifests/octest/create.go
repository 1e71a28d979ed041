package octest

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// create is oc create: of files, or of a ConfigMap with literal values and files, or of a Secret with a file.
func (c *Cluster) create(in call, o *options, words []string) (string, error) {
	var list []*unstructured.Unstructured
	if len(o.files) > 0 {
		var err error
		if list, err = c.given(in, o); err != nil {
			return "", err
		}
	} else if len(words) == 3 && words[0] == "secret" && words[1] == "generic" {
		one, err := secretOf(in, o, words[2])
		if err != nil {
			return "", err
		}
		list = append(list, one)
	} else {
		if len(words) != 2 || words[0] != "configmap" {
			return "", errors.New("error: only files, ConfigMaps and Secrets can be created")
		}
		one := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": words[1], "namespace": o.namespace}}}
		for _, pair := range o.literals {
			key, value, ok := strings.Cut(pair, "=")
			if !ok {
				return "", fmt.Errorf("error: invalid literal source %s, expected key=value", pair)
			}
			if err := unstructured.SetNestedField(one.Object, value, "data", key); err != nil {
				return "", err
			}
		}
		for _, pair := range o.fromFile {
			key, file, ok := strings.Cut(pair, "=")
			if !ok {
				return "", fmt.Errorf("error: invalid file source %s, expected key=file", pair)
			}
			body, err := in.read(file)
			if err != nil {
				return "", err
			}
			if err := unstructured.SetNestedField(one.Object, string(body), "data", key); err != nil {
				return "", err
			}
		}
		list = append(list, one)
	}
	var b strings.Builder
	for _, one := range list {
		key := keyOf(one)
		if _, is := c.objects[key]; is {
			return b.String(), fmt.Errorf("error from server (AlreadyExists): %s already exists", key)
		}
		r, err := c.check(one)
		if err != nil {
			return b.String(), err
		}
		if _, err := c.store(r, nil, one, "kubectl-create"); err != nil {
			return b.String(), err
		}
		fmt.Fprintf(&b, "%s/%s created\n", r.plural, one.GetName())
	}
	return b.String(), nil
}

// secretOf is what oc create secret generic makes of files.
func secretOf(in call, o *options, name string) (*unstructured.Unstructured, error) {
	data := map[string]any{}
	for _, pair := range o.fromFile {
		key, file, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, fmt.Errorf("error: invalid file source %s, expected key=file", pair)
		}
		body, err := in.read(file)
		if err != nil {
			return nil, err
		}
		data[key] = base64.StdEncoding.EncodeToString(body)
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": map[string]any{"name": name, "namespace": o.namespace}, "data": data}}, nil
}

// jsonPatch adds entries to lists and replaces fields, which is all of RFC 6902 that is known here.
func (c *Cluster) jsonPatch(r *resource, live *unstructured.Unstructured, patch []byte) (string, error) {
	var ops []struct {
		Op, Path string
		Value    any
	}
	if err := json.Unmarshal(patch, &ops); err != nil {
		return "", fmt.Errorf("error: unable to parse the patch: %w", err)
	}
	next := live.DeepCopy()
	for _, op := range ops {
		path, appends := strings.CutSuffix(op.Path, "/-")
		fields := strings.Split(strings.TrimPrefix(path, "/"), "/")
		if _, has, err := unstructured.NestedFieldNoCopy(next.Object, fields...); op.Op == "replace" && has && err == nil {
			if err := unstructured.SetNestedField(next.Object, op.Value, fields...); err != nil {
				return "", err
			}
			continue
		}
		list, has, err := unstructured.NestedSlice(next.Object, fields...)
		if op.Op != "add" || !appends || !has || err != nil {
			return "", fmt.Errorf("error: the request is invalid: %s %s", op.Op, op.Path)
		}
		if err := unstructured.SetNestedSlice(next.Object, append(list, op.Value), fields...); err != nil {
			return "", err
		}
	}
	return c.store(r, live, next, "kubectl-patch")
}
