package emit

import (
	"encoding/json"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
)

// object makes an object of a cluster from its JSON.
func objectIn(t testing.TB, body string) cluster.Object {
	t.Helper()
	var o kube.Object
	must(t, json.Unmarshal([]byte(body), &o))
	return cluster.Object{APIVersion: o.APIVersion, Kind: o.Kind, Namespace: o.Metadata.Namespace, Name: o.Metadata.Name, Labels: o.Metadata.Labels, Body: json.RawMessage(body)}
}

func TestChange(t *testing.T) {
	t.Parallel()
	e := newEmission(&handover.Handover{Site: site.Site{Cluster: cluster.NewState("c", []cluster.Object{
		objectIn(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"n","labels":{"x":"y","app.kubernetes.io/managed-by":"satchel"}},"data":{"k":"v","other":"w"}}`),
		objectIn(t, `{"apiVersion":"config.openshift.io/v1","kind":"Image","metadata":{"name":"cluster"},"spec":{"registrySources":{"insecureRegistries":["a","b"]},"count":3}}`),
	}, "Proxy")}})
	cm := func(data string) kube.ConfigMap {
		return kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", "a", "n"), Data: map[string]string{"k": data}}
	}
	type m = map[string]any
	for name, c := range map[string]struct {
		object              any
		kind, namespace, of string
		want                handover.Change
	}{
		"same, beside other fields":  {cm("v"), "ConfigMap", "n", "a", handover.Same},
		"another value":              {cm("w"), "ConfigMap", "n", "a", handover.Changed},
		"another name":               {cm("v"), "ConfigMap", "n", "b", handover.Added},
		"another namespace":          {cm("v"), "ConfigMap", "o", "a", handover.Added},
		"a kind without any object":  {m{}, "Proxy", "", "cluster", handover.Added},
		"a kind that was not asked":  {m{}, "Node", "", "a", handover.Unknown},
		"a list":                     {m{"spec": m{"registrySources": m{"insecureRegistries": []string{"a", "b"}}}}, "Image", "", "cluster", handover.Same},
		"a shorter list":             {m{"spec": m{"registrySources": m{"insecureRegistries": []string{"a"}}}}, "Image", "", "cluster", handover.Changed},
		"a field that is to be away": {kube.ImagePatch{}, "Image", "", "cluster", handover.Same},
		"a field that is not there":  {kube.ImagePatch{Spec: kube.ImagePatchSpec{AdditionalTrustedCA: &kube.NameRef{Name: "x"}}}, "Image", "", "cluster", handover.Changed},
		"a number":                   {m{"spec": m{"count": 3}}, "Image", "", "cluster", handover.Same},
		"a list where there is none": {m{"spec": m{"count": []string{"a"}}}, "Image", "", "cluster", handover.Changed},
		"empty where there is none":  {m{"spec": m{"more": m{}}}, "Image", "", "cluster", handover.Same},
	} {
		if got := e.Change(c.object, c.kind, c.namespace, c.of); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := (newEmission(&handover.Handover{})).Change(cm("v"), "ConfigMap", "n", "a"); got != handover.Unknown {
		t.Errorf("nothing is known of the cluster, and the change is %d", got)
	}
	if got := e.Change(func() {}, "ConfigMap", "n", "a"); got != handover.Unknown {
		t.Errorf("what is not an object: %d", got)
	}
}
