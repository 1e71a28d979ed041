package audit

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Difference is something that a file of a node has otherwise than it should.
type Difference struct {
	File  string `json:"file"`  // registries.conf or config.json
	Entry string `json:"entry"` // the source, or the registry
	Wrong string `json:"wrong"`
	Do    string `json:"do,omitempty"`
	// Fails says that the node would not get images because of it.
	Fails bool `json:"fails"`
}

// Names of the files in a [Difference].
const (
	FileRegistries = "registries.conf"
	FileSecret     = "config.json"
)

// CompareRegistries holds a node's registries.conf against the one that it is to have. from says in words
// where that one is from.
func CompareRegistries(node, want *rules.Nodes, from string) (list []Difference) {
	for _, d := range node.Differences(want, from) {
		one := Difference{File: FileRegistries, Entry: text.ASCII(d.Scope), Wrong: text.ASCII(d.Wrong), Fails: d.Fails}
		if d.Blocks && d.Fails {
			one.Do = "take it out of blockedRegistries of image.config (oc edit image.config.openshift.io/cluster: this drains every node); if it is not there, somebody changed the file on the node"
		}
		list = append(list, one)
	}
	return list
}

// CompareSecret holds the pull secret that a node has against the entries by which nodes are to log in to
// the mirror; want may be nil, where those are not known. repositories are the mirror's that rules lead to.
func CompareSecret(node, want *pullsecret.Secret, repositories []string) (list []Difference) {
	add := func(entry string, fails bool, format string, args ...any) {
		list = append(list, Difference{File: FileSecret, Entry: text.ASCII(entry), Wrong: text.ASCII(fmt.Sprintf(format, args...)), Fails: fails})
	}
	if want == nil {
		bare := map[string]bool{}
		for _, repo := range repositories {
			host, _, _ := strings.Cut(repo, "/")
			if _, ok := node.Covers(repo); !ok && !bare[host] {
				bare[host] = true
				add(host, false, "the node has no credential for it: it asks without")
			}
		}
		return list
	}
	_, changes := node.Edit(pullsecret.Edit{Add: want})
	for _, entry := range changes.Added {
		add(entry, true, "the node has no entry for it, and so logs in there as nobody")
	}
	for _, entry := range changes.Changed {
		add(entry, true, "%s", otherLogin(node, want, entry))
	}
	for _, entry := range changes.Narrower {
		if within := under(entry, repositories); len(within) > 0 && !sameLogin(node, want, entry) {
			add(entry, true, "this more precise entry is used in place of the mirror's for %s", text.Some(within, 3))
			list[len(list)-1].Do = "remove this entry from the cluster's pull secret, or give it the mirror's credential: oc -n openshift-config extract secret/pull-secret --to=DIR, edit it, and oc set data; if the secret does not have it, somebody changed the node"
		} else if len(repositories) == 0 {
			add(entry, false, "this more precise entry is used in place of the mirror's for all that lies below it")
		}
	}
	return list
}

// under lists the repositories that an entry is for.
func under(entry string, repositories []string) (list []string) {
	for _, repo := range repositories {
		if rules.Within(repo, entry) {
			list = append(list, repo)
		}
	}
	return list
}

// otherLogin says how the credential of an entry differs, without saying any.
func otherLogin(node, want *pullsecret.Secret, entry string) string {
	has, ok := node.Covers(entry)
	user, password, login := node.Login(has)
	expected, right, known := want.Login(entry)
	switch {
	case !ok:
		return "the node has an entry without a credential for it"
	case !login && known:
		return fmt.Sprintf("the node has a token for it, and is to log in as %s", expected)
	case login && known && user != expected:
		return fmt.Sprintf("the node logs in as %s, and is to log in as %s", user, expected)
	case login && known && password == right:
		return "the node's entry has user and password in fields of their own: nodes read the field auth alone, so they log in as nobody"
	case login && known:
		return fmt.Sprintf("the node logs in as %s with another password than the one that it is to use", user)
	}
	return "the node has another credential for it"
}

// sameLogin reports whether an entry has the credential of the wanted entry that it lies below.
func sameLogin(node, want *pullsecret.Secret, entry string) bool {
	wide, ok := want.Covers(entry)
	if !ok {
		return false
	}
	user, password, a := node.Login(entry)
	other, secret, b := want.Login(wide)
	return a && b && user == other && password == secret
}

// Kubelet is what of a KubeletConfiguration decides over images (kubernetes, kubelet/config/v1beta1).
type Kubelet struct {
	Kind     string `json:"kind"`
	MaxAge   string `json:"imageMaximumGCAge"`
	High     *int   `json:"imageGCHighThresholdPercent"`
	Verified string `json:"imagePullCredentialsVerificationPolicy"`
}

// KindKubelet is the kind of the kubelet's own settings, which hold no pull secret.
const KindKubelet = "KubeletConfiguration"

// ParseKubelet reads a KubeletConfiguration; ok is false for any other file.
func ParseKubelet(body []byte) (k Kubelet, ok bool) {
	if yaml.Unmarshal(body, &k) != nil || k.Kind != KindKubelet {
		return Kubelet{}, false
	}
	return k, true
}

// Says lists what of the settings matters once images come from the mirror alone.
func (k Kubelet) Says() (list []string) {
	if k.MaxAge != "" && k.MaxAge != "0s" && k.MaxAge != "0" {
		list = append(list, fmt.Sprintf("the kubelet deletes images that nothing has used for %s (imageMaximumGCAge): they are then pulled again", text.ASCII(text.Cut(k.MaxAge, 40))))
	}
	if k.High != nil && *k.High < 100 {
		list = append(list, fmt.Sprintf("the kubelet deletes unused images when the disk is %d%% full (imageGCHighThresholdPercent): they are then pulled again", *k.High))
	}
	if k.Verified != "" && k.Verified != "NeverVerify" {
		list = append(list, fmt.Sprintf("the kubelet asks the registry again for images that are on the node, where a pod has other credentials (imagePullCredentialsVerificationPolicy %s)", text.ASCII(text.Cut(k.Verified, 60))))
	}
	return list
}
