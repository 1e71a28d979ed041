package emit

import (
	"encoding/json"
	"testing"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
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
	e := &emission{site: Site{Cluster: cluster.NewState("c", []cluster.Object{
		objectIn(t, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"n","labels":{"x":"y","app.kubernetes.io/managed-by":"satchel"}},"data":{"k":"v","other":"w"}}`),
		objectIn(t, `{"apiVersion":"config.openshift.io/v1","kind":"Image","metadata":{"name":"cluster"},"spec":{"registrySources":{"insecureRegistries":["a","b"]},"count":3}}`),
	}, "Proxy")}}
	cm := func(data string) kube.ConfigMap {
		return kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", "a", "n"), Data: map[string]string{"k": data}}
	}
	type m = map[string]any
	for name, c := range map[string]struct {
		object              any
		kind, namespace, of string
		want                change
	}{
		"same, beside other fields":  {cm("v"), "ConfigMap", "n", "a", same},
		"another value":              {cm("w"), "ConfigMap", "n", "a", changed},
		"another name":               {cm("v"), "ConfigMap", "n", "b", added},
		"another namespace":          {cm("v"), "ConfigMap", "o", "a", added},
		"a kind without any object":  {m{}, "Proxy", "", "cluster", added},
		"a kind that was not asked":  {m{}, "Node", "", "a", unknown},
		"a list":                     {m{"spec": m{"registrySources": m{"insecureRegistries": []string{"a", "b"}}}}, "Image", "", "cluster", same},
		"a shorter list":             {m{"spec": m{"registrySources": m{"insecureRegistries": []string{"a"}}}}, "Image", "", "cluster", changed},
		"a field that is to be away": {kube.ImagePatch{}, "Image", "", "cluster", same},
		"a field that is not there":  {kube.ImagePatch{Spec: kube.ImagePatchSpec{AdditionalTrustedCA: &kube.NameRef{Name: "x"}}}, "Image", "", "cluster", changed},
		"a number":                   {m{"spec": m{"count": 3}}, "Image", "", "cluster", same},
		"a list where there is none": {m{"spec": m{"count": []string{"a"}}}, "Image", "", "cluster", changed},
		"empty where there is none":  {m{"spec": m{"more": m{}}}, "Image", "", "cluster", same},
	} {
		if got := e.change(c.object, c.kind, c.namespace, c.of); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	if got := (&emission{}).change(cm("v"), "ConfigMap", "n", "a"); got != unknown {
		t.Errorf("nothing is known of the cluster, and the change is %d", got)
	}
	if got := e.change(func() {}, "ConfigMap", "n", "a"); got != unknown {
		t.Errorf("what is not an object: %d", got)
	}
}
