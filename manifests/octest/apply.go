package octest

import (
	"fmt"
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
)

const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// check refuses what an API server refuses of any object.
func (c *Cluster) check(o *unstructured.Unstructured) (*resource, error) {
	r, err := c.resourceOf(o.GroupVersionKind())
	switch {
	case err != nil:
		return nil, err
	case o.GetName() == "":
		return nil, fmt.Errorf("error: a %s has no name", r.kind)
	case r.namespaced != (o.GetNamespace() != ""):
		return nil, fmt.Errorf("error: %s %s: its namespace is %q", r.kind, o.GetName(), o.GetNamespace())
	}
	return r, nil
}

// apply is client-side apply: what the last one set and this one does not is removed.
func (c *Cluster) apply(o *unstructured.Unstructured) (string, error) {
	r, err := c.check(o)
	if err != nil {
		return "", err
	}
	modified, err := withLastApplied(o)
	if err != nil {
		return "", err
	}
	live, is := c.objects[keyOf(o)]
	if !is {
		named, err := parse(modified)
		if err != nil {
			return "", err
		}
		return c.store(r, nil, named, "kubectl-client-side-apply")
	}
	current, err := json.Marshal(live.Object)
	if err != nil {
		return "", err
	}
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(live.GetAnnotations()[lastApplied]), modified, current)
	if err != nil {
		return "", err
	}
	return c.merge(r, live, patch, "kubectl-client-side-apply")
}

// withLastApplied gives an object with itself in an annotation.
func withLastApplied(o *unstructured.Unstructured) ([]byte, error) {
	o = o.DeepCopy()
	annotations := o.GetAnnotations()
	delete(annotations, lastApplied)
	o.SetAnnotations(annotations)
	plain, err := json.Marshal(o.Object)
	if err != nil {
		return nil, err
	}
	annotations = maps.Clone(annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[lastApplied] = string(plain)
	o.SetAnnotations(annotations)
	return json.Marshal(o.Object)
}

// merge applies a merge patch.
func (c *Cluster) merge(r *resource, live *unstructured.Unstructured, patch []byte, by string) (string, error) {
	var change map[string]any
	if err := json.Unmarshal(patch, &change); err != nil {
		return "", fmt.Errorf("error: unable to parse the patch: %w", err)
	}
	next := live.DeepCopy()
	next.Object = mergePatch(next.Object, change).(map[string]any)
	if keyOf(next) != keyOf(live) {
		return "", fmt.Errorf("error: the patch changes the object's name or kind")
	}
	return c.store(r, live, next, by)
}

// mergePatch is RFC 7386.
func mergePatch(target, patch any) any {
	change, is := patch.(map[string]any)
	if !is {
		return patch
	}
	fields, is := target.(map[string]any)
	if !is {
		fields = map[string]any{}
	}
	for k, v := range change {
		if v == nil {
			delete(fields, k)
		} else {
			fields[k] = mergePatch(fields[k], v)
		}
	}
	return fields
}

// applyServerSide is server-side apply: fields that the manager set before and not now are
// removed unless others own them too.
func (c *Cluster) applyServerSide(o *unstructured.Unstructured, by string, force bool) (string, error) {
	r, err := c.check(o)
	if err != nil {
		return "", err
	}
	live, is := c.objects[keyOf(o)]
	if !is {
		live = &unstructured.Unstructured{}
		live.SetGroupVersionKind(o.GroupVersionKind())
	}
	next, err := manager(r).Apply(live.DeepCopy(), o.DeepCopy(), by, force)
	if err != nil {
		return "", fmt.Errorf("error: Apply failed: %w", err)
	}
	if next == nil { // nothing changes
		return "unchanged", nil
	}
	return c.put(live, next.(*unstructured.Unstructured), is), nil
}

// store puts a changed object into the cluster; live is nil for a new one.
func (c *Cluster) store(r *resource, live, next *unstructured.Unstructured, by string) (string, error) {
	before := live
	if before == nil {
		before = &unstructured.Unstructured{}
		before.SetGroupVersionKind(next.GroupVersionKind())
	}
	owned, err := manager(r).Update(before.DeepCopy(), next.DeepCopy(), by)
	if err != nil {
		return "", err
	}
	return c.put(before, owned.(*unstructured.Unstructured), live != nil), nil
}

func (c *Cluster) put(live, next *unstructured.Unstructured, is bool) string {
	key := keyOf(next)
	c.objects[key] = next
	switch {
	case !is:
		c.note("created", key)
		c.react(next)
		return "created"
	case reflect.DeepEqual(stripped(live).Object, stripped(next).Object):
		return "unchanged"
	}
	c.note("configured", key)
	c.react(next)
	return "configured"
}
