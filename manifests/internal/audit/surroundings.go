package audit

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Setting is something of the cluster itself that keeps nodes from the mirror, or that changes nodes.
type Setting struct {
	Object string `json:"object"` // as oc takes it
	Wrong  string `json:"wrong"`
	Do     string `json:"do,omitempty"`
	// Fails says that nodes would not get images; else it is something to know.
	Fails bool `json:"fails"`
}

// Side is the mirror as nodes come to use it.
type Side struct {
	Mirrors   []oci.Mirror    // the addresses that nodes pull from, at least one
	PlainHTTP bool            // it speaks no TLS
	Brought   map[string]bool // hosts whose authorities the files for the cluster bring, HOST[:PORT]
	// Now are the rules of the cluster, and After those that it has once the files were applied.
	Now, After []rules.Object
}

// repositories are where rules lead, and sources what they are for, each once, sorted.
func (s Side) repositories() (mirrors, sources []string) {
	for _, o := range s.After {
		for _, r := range o.Rules {
			sources = append(sources, r.Source)
			for _, m := range r.Mirrors {
				if host, _, _ := strings.Cut(m, "/"); slices.ContainsFunc(s.Mirrors, func(is oci.Mirror) bool { return is.Host == host }) {
					mirrors = append(mirrors, m)
				}
			}
		}
	}
	return text.Sorted(mirrors), text.Sorted(sources)
}

// Surroundings looks at the cluster's proxy, at its registrySources, at the authorities that it has for
// registries, at rules that contradict each other, and at what drains nodes when the files are applied.
func Surroundings(state *cluster.State, s Side) []Setting {
	a := around{state: state, side: s}
	a.conflicts()
	if len(s.Mirrors) > 0 {
		a.sources()
		a.proxy()
		a.authorities()
		a.drains()
	}
	slices.SortStableFunc(a.list, func(x, y Setting) int {
		return cmp.Or(-cmp.Compare(bit(x.Fails), bit(y.Fails)), cmp.Compare(x.Object, y.Object))
	})
	return a.list
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// around is one call of [Surroundings].
type around struct {
	state *cluster.State
	side  Side
	image *site.ImageConfig // nil: not known
	list  []Setting
}

const (
	imageObject = "image.config.openshift.io/cluster"
	editImage   = "oc edit " + imageObject + " (spec.registrySources)"
)

func (a *around) add(fails bool, object, do, format string, args ...any) {
	a.list = append(a.list, Setting{Object: object, Wrong: text.ASCII(fmt.Sprintf(format, args...)), Do: do, Fails: fails})
}

// sources looks at which registries nodes may use. Nodes apply them as trust.CheckSources says.
func (a *around) sources() {
	one, ok := a.state.One("Image", "", "cluster")
	if !ok {
		return
	}
	image, err := site.ParseImageConfig("the cluster", one.Body)
	if err != nil {
		a.add(false, imageObject, "", "it cannot be read, and counts as not known: %v", err)
		return
	}
	a.image = image
	src := image.Sources
	mirrors, sources := a.side.repositories()
	if len(src.Allowed) > 0 && len(src.Blocked) > 0 {
		a.add(false, imageObject, editImage, "it has both allowedRegistries and blockedRegistries: nodes apply neither of them, and no later change")
		return
	}
	var blocked, foreign []string
	for _, repo := range mirrors {
		if scope, is := trust.Blocks(repo, src.Blocked); is {
			blocked = append(blocked, scope)
		}
		if len(src.Allowed) > 0 && !handover.Within(repo, src.Allowed) {
			host, _, _ := strings.Cut(repo, "/")
			foreign = append(foreign, host)
		}
	}
	if len(blocked) > 0 {
		a.add(true, imageObject, editImage+": remove it; that drains every node", "nodes never pull from the mirror: blockedRegistries has %s", text.And(text.Sorted(blocked)))
	}
	if len(foreign) > 0 {
		a.add(true, imageObject, editImage+": add it to allowedRegistries", "nodes may not pull from the mirror: allowedRegistries lacks %s", text.And(text.Sorted(foreign)))
	}
	a.refused(src, sources)
	for _, m := range a.side.Mirrors {
		if handover.Within(m.String(), src.Insecure) && !a.side.PlainHTTP {
			a.add(false, imageObject, "", "insecureRegistries has the mirror %s: nodes do not check its certificate", m.Host)
		}
		if a.side.PlainHTTP && !handover.Within(m.String(), src.Insecure) {
			a.add(true, imageObject, editImage+": add it to insecureRegistries; that drains every node", "the mirror %s speaks plain HTTP, and insecureRegistries does not have it", m.Host)
		}
	}
}

// refused names the sources whose images nodes refuse by their own name, even from the mirror: a warning, since rules
// may be for what no node of this cluster pulls. The payload's own repository is never blocked.
func (a *around) refused(src site.RegistrySources, sources []string) {
	var blocked, foreign []string
	payload := a.payload()
	for _, name := range sources {
		if handover.Within(name, src.Blocked) && name != payload {
			blocked = append(blocked, name)
		}
		if len(src.Allowed) > 0 && !handover.Within(name, src.Allowed) && name != payload {
			foreign = append(foreign, name)
		}
	}
	if len(blocked) > 0 {
		a.add(false, imageObject, editImage+": remove them, the rules do without; that drains every node", "nodes refuse the images of %s even from the mirror: blockedRegistries has them", text.Some(blocked, 3))
	}
	if len(foreign) > 0 {
		a.add(false, imageObject, editImage+": add them to allowedRegistries", "nodes refuse the images of %s even from the mirror: allowedRegistries lacks them", text.Some(foreign, 3))
	}
}

// payload is the repository of the release that runs, which nodes may always use (Machine Config Operator,
// getValidBlockedAndAllowedRegistries); "" where it is not known.
func (a *around) payload() string {
	var cv struct {
		Status struct {
			Desired struct {
				Image string `json:"image"`
			} `json:"desired"`
		} `json:"status"`
	}
	one, ok := a.state.One("ClusterVersion", "", "version")
	if !ok || json.Unmarshal(one.Body, &cv) != nil {
		return ""
	}
	ref, err := oci.ParseRef(cv.Status.Desired.Image)
	if err != nil {
		return ""
	}
	return ref.Name()
}

// trusted is what the judgements of package trust stand on.
func (a *around) trusted() *trust.Trust {
	return &trust.Trust{Handover: &handover.Handover{Site: site.Site{Mirror: a.side.Mirrors[0], Cluster: a.state, PlainHTTP: a.side.PlainHTTP}, PullFrom: a.side.Mirrors}}
}

// proxy says where nodes would ask the mirror through the cluster's proxy.
func (a *around) proxy() {
	t := a.trusted()
	if t.Hosted() {
		return
	}
	hosts, known := t.BehindProxy()
	if !known || len(hosts) == 0 {
		return
	}
	a.add(true, trust.ProxyObject, "add it to spec.noProxy: that reboots every node", "nodes ask the mirror through the cluster's proxy: noProxy does not have %s", text.And(hosts))
}

// authorities says where the cluster is not known to trust the mirror's certificate.
func (a *around) authorities() {
	if a.side.PlainHTTP || a.image == nil {
		return
	}
	named := cmp.Or(a.image.TrustedCA, trust.RegistryCAName)
	data := map[string]string{}
	one, ok := a.state.One("ConfigMap", "openshift-config", named)
	if a.image.TrustedCA != "" && !ok {
		return // not read
	}
	var in struct {
		Data       map[string]string `json:"data"`
		BinaryData map[string]string `json:"binaryData"`
	}
	if a.image.TrustedCA != "" && json.Unmarshal(one.Body, &in) == nil {
		maps.Copy(data, in.Data)
		maps.Copy(data, in.BinaryData)
	}
	for _, m := range a.side.Mirrors {
		key, err := trust.CAKey(m.Host)
		if err != nil || data[key] != "" || a.side.Brought[m.Host] || handover.Within(m.String(), a.image.Sources.Insecure) {
			continue
		}
		a.add(false, imageObject, "if nodes do not trust it anyway: satchel render --ca-file", "additionalTrustedCA has no authority for %s, and no file brings one: nodes must trust its certificate already", m.Host)
	}
}

// conflicts says where objects have two policies for one source: nodes then get no change of rules at all.
func (a *around) conflicts() {
	for _, f := range rules.Broken(a.side.After) {
		a.add(true, f.Object, "give all objects the same mirrorSourcePolicy for that source", "it lets nodes ask the source %s, and another object forbids it: nodes get no change of rules before that is mended", f.Source)
	}
}

// drains says what changes nodes when the files are applied.
func (a *around) drains() {
	if len(a.side.Now) == 0 && !a.state.Known(string(rules.ContentSource)) || a.state.Topology() == "SingleReplica" {
		return // what the cluster has is not known; and one with a single node never drains
	}
	var insecure, blocked []string
	if a.image != nil {
		insecure, blocked = a.image.Sources.Insecure, a.image.Sources.Blocked
	}
	now, after := rules.Applied(a.side.Now, insecure, blocked), rules.Applied(a.side.After, insecure, blocked)
	by := map[string][]string{}
	for _, d := range after.Drains(now) {
		by[d.Why] = append(by[d.Why], d.Source)
	}
	const do = "apply it when nodes may drain; APPLY.md has the order"
	own := a.trusted().Disruption(handover.NodeRegistries)
	for why, sources := range by {
		why = fmt.Sprintf("applying the files drains every node: of %s, %s", text.Some(text.Sorted(sources), 3), why)
		if own != "" {
			why += "; but " + own
		}
		a.add(false, "rules", do, "%s", why)
	}
	if len(by) > 0 || len(now.Differences(after, "")) == 0 {
		return
	}
	if v, known := a.state.Running(); known && v.Major == 4 && v.Minor < 7 {
		a.add(false, "rules", do, "applying the files drains and reboots every node: %s does so for any change of rules", v)
	} else if known && v.Major == 4 && v.Minor == 7 {
		a.add(false, "rules", do, "applying the files drains every node: %s does so for any change of rules", v)
	} else if own != "" {
		a.add(false, "rules", do, "applying the files changes rules of nodes: %s", own)
	}
}
