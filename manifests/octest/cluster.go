package octest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// Key names an object.
type Key struct{ Kind, Namespace, Name string }

func (k Key) String() string {
	if k.Namespace == "" {
		return k.Kind + " " + k.Name
	}
	return k.Kind + " " + k.Namespace + "/" + k.Name
}

// Cluster is an API server in memory. All its methods may be called at the same time.
type Cluster struct {
	Minor int // the version of OpenShift, 4.Minor, which decides what kinds there are
	// Debug answers a command on a node (oc debug node/NAME -- chroot /host COMMAND...); nil: each
	// succeeds and says nothing. dir is where oc was started.
	Debug func(dir string, command []string) (out string, code int)
	// Releases are the payloads that the cluster can be updated to: an image, and its version.
	Releases map[string]string

	// Refuse says which commands of oc fail as if the API server did not answer; nil: none.
	Refuse func(args []string) bool

	mu      sync.Mutex
	objects map[Key]*unstructured.Unstructured
	log     []string
	asked   []string
	failed  []string
}

// New makes a cluster of a version that has objects, in YAML, and the default catalogs if these have
// an OperatorHub.
func New(t testing.TB, minor int, objects string) *Cluster {
	t.Helper()
	c := &Cluster{Minor: minor, objects: map[Key]*unstructured.Unstructured{}}
	list, err := decode(strings.NewReader(objects))
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list {
		c.objects[keyOf(o)] = o
	}
	if hub, is := c.objects[Key{Kind: "OperatorHub", Name: "cluster"}]; is {
		c.marketplace(hub)
	}
	c.log = nil
	return c
}

// Put stores an object as it is, in YAML, whoever owns its fields.
func (c *Cluster) Put(t testing.TB, object string) {
	t.Helper()
	list, err := decode(strings.NewReader(object))
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range list {
		c.objects[keyOf(o)] = o
	}
}

// Log lists the changes since the cluster was made, such as "configured ConfigMap a/b".
func (c *Cluster) Log() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.log)
}

// Asked lists the commands that were run, without those that only read.
func (c *Cluster) Asked() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// Failed lists the commands of oc that failed, with what they said.
func (c *Cluster) Failed() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.failed)
}

// Snapshot gives each object in YAML, without what the server keeps for itself.
func (c *Cluster) Snapshot() map[Key]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[Key]string{}
	for k, o := range c.objects {
		all[k] = toYAML(stripped(o))
	}
	return all
}

// Dump gives all objects in YAML, as oc get -o yaml prints them.
func (c *Cluster) Dump() string {
	all := c.Snapshot()
	keys := slices.SortedFunc(maps.Keys(all), compareKeys)
	var b strings.Builder
	for _, k := range keys {
		b.WriteString("---\n" + all[k])
	}
	return b.String()
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

func keyOf(o *unstructured.Unstructured) Key { return Key{o.GetKind(), o.GetNamespace(), o.GetName()} }

// stripped is an object without the fields that only record who changed it.
func stripped(o *unstructured.Unstructured) *unstructured.Unstructured {
	o = o.DeepCopy()
	o.SetManagedFields(nil)
	o.SetCreationTimestamp(o.GetCreationTimestamp())
	unstructured.RemoveNestedField(o.Object, "metadata", "creationTimestamp")
	annotations := o.GetAnnotations()
	delete(annotations, lastApplied)
	if len(annotations) == 0 {
		annotations = nil
	}
	o.SetAnnotations(annotations)
	return o
}

// decode reads objects, and what is in lists.
func decode(r io.Reader) (list []*unstructured.Unstructured, err error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(body), 4096)
	for {
		var raw runtime.RawExtension
		switch err := dec.Decode(&raw); {
		case errors.Is(err, io.EOF):
			return list, nil
		case err != nil:
			return nil, err
		case len(raw.Raw) == 0 || string(raw.Raw) == "null":
			continue
		}
		o, err := parse(raw.Raw)
		if err != nil {
			return nil, err
		}
		if !o.IsList() {
			list = append(list, o)
			continue
		}
		items, err := o.ToList()
		if err != nil {
			return nil, err
		}
		for i := range items.Items {
			list = append(list, &items.Items[i])
		}
	}
}

// parse reads an object in JSON, numbers as an API server reads them.
func parse(raw []byte) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	if err := json.Unmarshal(raw, &o.Object); err != nil {
		return nil, err
	}
	if o.GetKind() == "" || o.GetAPIVersion() == "" {
		return nil, fmt.Errorf("error: an object has no kind or apiVersion: %.80s", raw)
	}
	return o, nil
}

// note records a change.
func (c *Cluster) note(verb string, k Key) {
	c.log = append(c.log, verb+" "+k.String())
}

// manager records who owns which fields of an object.
func manager(r *resource) *managedfields.FieldManager {
	return managedfieldstest.NewFakeFieldManager(managedfields.NewDeducedTypeConverter(), r.gvk())
}
