package octest

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// adm is oc adm: the update of the cluster.
func (c *Cluster) adm(o *options, words []string) (string, error) {
	if len(words) == 0 {
		return "", errors.New("error: no command of oc adm")
	}
	switch words[0] {
	case "wait-for-stable-cluster":
		return "All clusteroperators are stable\n", nil
	case "upgrade":
	default:
		return "", fmt.Errorf("error: unknown command %q for \"oc adm\"", words[0])
	}
	live, is := c.objects[Key{Kind: "ClusterVersion", Name: "version"}]
	if !is {
		return "", errors.New("error: no cluster version information available")
	}
	r, err := c.resourceOf(live.GroupVersionKind())
	if err != nil {
		return "", err
	}
	next := live.DeepCopy()
	switch {
	case len(words) > 1 && words[1] == "channel":
		unstructured.RemoveNestedField(next.Object, "spec", "channel")
		if len(words) > 2 {
			err = unstructured.SetNestedField(next.Object, words[2], "spec", "channel")
		}
	case o.toImage != "" && !o.explicit:
		return "", errors.New("error: the image is not one of the available updates; specify --allow-explicit-upgrade to continue")
	case o.toImage != "":
		err = unstructured.SetNestedMap(next.Object, map[string]any{"image": o.toImage}, "spec", "desiredUpdate")
	case o.to != "":
		err = unstructured.SetNestedMap(next.Object, map[string]any{"version": o.to}, "spec", "desiredUpdate")
	default:
		return "Cluster version is known\n", nil
	}
	if err != nil {
		return "", err
	}
	did, err := c.store(r, live, next, "kubectl-adm")
	return "Requested update (" + did + ")\n", err
}

// await is oc wait: what it waits for must be there, and is reached at once, or never.
func (c *Cluster) await(in call, o *options, words []string) (string, error) {
	if o.waitFor == "" {
		return "", errors.New("error: must specify --for")
	}
	var list []*unstructured.Unstructured
	var missing []error
	var err error
	if len(o.files) > 0 {
		list, err = c.given(in, o)
	} else {
		list, missing, err = c.find(o, words)
	}
	switch gone := o.waitFor == "delete" || o.waitFor == "--for=delete"; {
	case err != nil:
		return "", err
	case gone && len(list) > 0:
		return "", fmt.Errorf("error: timed out waiting for the condition on %s", keyOf(list[0]))
	case gone:
		return "", nil
	case len(missing) > 0:
		return "", missing[0]
	case len(list) == 0:
		return "", errors.New("error: no matching resources found")
	}
	for _, one := range list {
		if never(one, o.waitFor) {
			return "", fmt.Errorf("error: timed out waiting for the condition on %s", keyOf(one))
		}
	}
	return table(list), nil
}

// never reports whether an object does not come to what is waited for: a paused pool does not
// become Updated, and the version that is wanted is what it is.
func never(o *unstructured.Unstructured, want string) bool {
	if paused, _, _ := unstructured.NestedBool(o.Object, "spec", "paused"); paused && o.GetKind() == "MachineConfigPool" {
		return want == "condition=Updated"
	}
	path, is := strings.CutPrefix(want, "jsonpath={.status.desired.version}=")
	version, _, _ := unstructured.NestedString(o.Object, "status", "desired", "version")
	return is && path != version
}

// debug is oc debug node/NAME -- chroot /host COMMAND.
func (c *Cluster) debug(in call, words, command []string) (string, int, error) {
	if len(words) != 1 {
		return "", 1, errors.New("error: one node must be named")
	}
	name, is := strings.CutPrefix(words[0], "node/")
	if _, known := c.objects[Key{Kind: "Node", Name: name}]; !is || !known {
		return "", 1, fmt.Errorf("error: nodes %q not found", name)
	}
	if len(command) < 3 || !slices.Equal(command[:2], []string{"chroot", "/host"}) {
		return "", 1, fmt.Errorf("error: the command on the node is not chroot /host ...: %q", command)
	}
	if c.Debug == nil {
		return "", 0, nil
	}
	out, code := c.Debug(in.Dir, command[2:])
	return out, code, nil
}
