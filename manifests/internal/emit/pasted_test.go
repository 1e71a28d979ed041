package emit

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/update"
	"github.com/satchel-airgap/satchel/manifests/octest"
)

// running is a cluster of two pools that runs a version.
func running(t *testing.T, version string, more ...string) *octest.Cluster {
	t.Helper()
	var minor int
	_, err := fmt.Sscanf(version, "4.%d.", &minor)
	must(t, err)
	node := func(name, role, ready string) string {
		return fmt.Sprintf("---\napiVersion: v1\nkind: Node\nmetadata: {name: %s, labels: {kubernetes.io/os: linux, node-role.kubernetes.io/%s: ''}, annotations: {machineconfiguration.openshift.io/currentConfig: rendered-%[2]s-1}}\nstatus: {conditions: [{type: Ready, status: '%s'}]}\n", name, role, ready)
	}
	pool := "---\napiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata: {name: %s}\nspec: {configuration: {name: rendered-%[1]s-1}}\n"
	return octest.New(t, minor, "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {}\nstatus: {desired: {version: "+version+", image: 'q.example/r@sha256:"+strings.Repeat("1", 64)+"'}}\n"+
		node("down", "master", "Unknown")+node("master-a", "master", "True")+node("worker-a", "worker", "True")+node("worker-b", "worker", "True")+
		"---\napiVersion: v1\nkind: Node\nmetadata: {name: windows, labels: {kubernetes.io/os: windows}}\nstatus: {conditions: [{type: Ready, status: 'True'}]}\n"+
		fmt.Sprintf(pool, "master")+fmt.Sprintf(pool, "worker")+strings.Join(append([]string{""}, more...), "---\n"))
}

// paused is a pool of worker nodes that waits.
func paused(name string) string {
	return "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfigPool\nmetadata: {name: " + name + "}\nspec: {paused: true}\n"
}

// TestPastedUpdates: nothing is done, and nothing waited for, for releases that are not newer than what
// runs, also candidates before it; one that is refused is not taken for done. The commands look at what
// runs also where satchel was told.
func TestPastedUpdates(t *testing.T) {
	t.Parallel()
	type want struct {
		asks int
		ends string // how the last update ends
	}
	for name, c := range map[string]struct {
		runs    string
		told    string // what satchel takes for what runs; "" for not known
		bundle  []string
		refused bool
		unsaid  bool // no update from what runs to the second
		want    want
	}{
		"both":              {"4.18.9", "", []string{"4.19.5", "4.20.3"}, false, false, want{2, ""}},
		"the second":        {"4.19.5", "", []string{"4.19.5", "4.20.3"}, false, false, want{1, ""}},
		"between":           {"4.19.30", "", []string{"4.19.5", "4.20.3"}, false, false, want{1, ""}},
		"none":              {"4.20.10", "", []string{"4.19.5", "4.20.3"}, false, false, want{0, "nothing to wait for"}},
		"refused":           {"4.19.5", "", []string{"4.19.5", "4.20.3"}, true, false, want{1, "STOP: "}},
		"from a candidate":  {"4.20.0-rc.1", "", []string{"4.19.5", "4.20.0"}, false, false, want{1, ""}},
		"to a candidate":    {"4.20.0", "", []string{"4.19.5", "4.20.0-rc.1"}, false, false, want{0, "nothing to wait for"}},
		"OKD's candidates":  {"4.20.0-okd-scos.ec.14", "", []string{"4.19.0-okd-scos.9", "4.20.0-okd-scos.3"}, false, false, want{1, ""}},
		"OKD's other way":   {"4.20.0-okd-scos.3", "", []string{"4.19.0-okd-scos.9", "4.20.0-okd-scos.ec.14"}, false, false, want{0, "nothing to wait for"}},
		"OKD's to a higher": {"4.20.0-okd-scos.9", "", []string{"4.19.0-okd-scos.9", "4.20.0-okd-scos.10"}, false, false, want{1, ""}},
		"no edge":           {"4.19.30", "", []string{"4.19.5", "4.20.3"}, true, true, want{0, "STOP: "}},
		"updated since":     {"4.19.30", "4.19.5", []string{"4.19.5", "4.20.3"}, true, true, want{0, "STOP: "}},
		"updated beyond":    {"4.20.10", "4.19.5", []string{"4.19.5", "4.20.3"}, false, true, want{0, "nothing to wait for"}},
		"as told":           {"4.19.5", "4.19.5", []string{"4.19.5", "4.20.3"}, false, false, want{1, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := emitInput{Mirror: "m.example", ClusterVersion: c.told}
			in.Facts = []emitFacts{{Tag: c.bundle[0] + "-x86_64", Previous: []string{"4.18.9"}}, {Tag: c.bundle[1] + "-x86_64", Previous: []string{c.bundle[0], c.runs}}}
			if c.unsaid {
				in.Facts[1].Previous = in.Facts[1].Previous[:1]
			}
			cluster := running(t, c.runs)
			cluster.Releases = map[string]string{}
			for _, v := range c.bundle {
				in.Images = append(in.Images, payloads(v+"-x86_64")...)
				if !c.refused {
					img := in.Images[len(in.Images)-1].image(t)
					cluster.Releases[img.Source.WithDigest(img.Root.Digest).String()] = v
				}
			}
			files, _ := emit(t, in)
			blocks := pasted(t, cluster, files, handover.FileApply, ". Update to ")
			asks := 0
			for _, command := range cluster.Asked() {
				if strings.Contains(command, "--to-image") {
					asks++
				}
			}
			last := blocks[len(blocks)-1]
			if asks != c.want.asks || !strings.Contains(last.Output, c.want.ends) || (c.want.ends == "STOP: ") != strings.Contains(last.Output, "STOP: ") {
				t.Errorf("%d updates were asked for, want %d; the last block ends\n%s", asks, c.want.asks, last.Output)
			}
		})
	}
}

// TestPastedNodes: the backup is made on a node that is Ready, and a node of each pool is looked at.
func TestPastedNodes(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", Images: payloads("4.20.3-x86_64")}
	files, _ := emit(t, in)
	c := running(t, "4.19.5")
	blocks := pasted(t, c, files, handover.FileApply, "Check a node", "Prepare the update")
	asked := strings.Join(c.Asked(), "\n")
	order(t, asked, "node/master-a -- chroot /host crictl pull", "node/worker-a -- chroot /host crictl pull", "node/master-a -- chroot /host /usr/local/bin/cluster-backup.sh", "!node/worker-b", "!node/down", "!node/windows")
	if got := blocks[0].Output; !strings.Contains(got, "== master-a") || !strings.Contains(got, "== worker-a") {
		t.Errorf("the check prints\n%s", got)
	}
}

// TestPastedPaused: no step waits for a pool that is paused, whether satchel knows of it or not.
func TestPastedPaused(t *testing.T) {
	t.Parallel()
	for _, known := range []bool{true, false} {
		in := emitInput{Mirror: "m.example", Images: payloads("4.19.5-x86_64", "4.20.3-x86_64"), Facts: []emitFacts{{Tag: "4.20.3-x86_64", Previous: []string{"4.19.5"}}}}
		if known {
			in.ClusterVersion = "4.19.5"
			in.Cluster = []object1{in1("MachineConfigPool", "canary", true), in1("MachineConfigPool", "worker", false)}
		}
		files, _ := emit(t, in)
		c := running(t, "4.19.5", paused("canary"))
		img := in.Images[1].image(t)
		c.Releases = map[string]string{img.Source.WithDigest(img.Root.Digest).String(): "4.20.3"}
		for _, b := range pasted(t, c, files, handover.FileApply, "Rules: ", "Update to 4.20.3") {
			if b.Err != nil && strings.Contains(b.Commands, "oc wait") {
				t.Errorf("known %v: %s:\n%s\n%s", known, b.Step, b.Commands, b.Output)
			}
		}
	}
}

// in1 is a pool in the state of a cluster.
func in1(kind, name string, paused bool) object1 {
	return in(kind, "", name, "spec", object1{"paused": paused})
}

// TestPastedChannel: the cluster gets a channel of the version that it runs, of the kind that it
// has or had; without one it would ask no update service.
func TestPastedChannel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ runs, now, before, want string }{
		{"4.16.9", "stable-4.14", "", "stable-4.16"},
		{"4.16.9", "", "fast-4.14", "fast-4.16"},
		{"4.16.9", "eus-4.14", "", "eus-4.16"},
		{"4.17.9", "", "eus-4.16", "stable-4.17"},
		{"4.16.9", "", "", "stable-4.16"},
		{"4.16.9", "site", "", "site"},
	} {
		cluster := running(t, c.runs, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {channel: '"+c.before+"'}\n")
		cluster.Put(t, "apiVersion: config.openshift.io/v1\nkind: ClusterVersion\nmetadata: {name: version}\nspec: {channel: '"+c.now+"'}\nstatus: {desired: {version: "+c.runs+"}}\n")
		p := page.New(false)
		(newEmission(&handover.Handover{})).way.PageChannel(p)
		blocks := cluster.Page(t, t.TempDir(), p.Bytes())
		got := cluster.Snapshot()[octest.Key{Kind: "ClusterVersion", Name: "version"}]
		if blocks[0].Err != nil || !strings.Contains(got, "channel: "+c.want+"\n") {
			t.Errorf("%s, channel %q, before %q: want %s:\n%s\n%s", c.runs, c.now, c.before, c.want, got, blocks[0].Output)
		}
		e := newEmission(&handover.Handover{Site: site.Site{Cluster: weekState(t, got)}})
		if !e.way.ChannelFits() {
			t.Errorf("%s: %s does not fit", c.runs, c.want)
		}
	}
	for channel, fits := range map[string]bool{"stable-4.14": false, "stable-4.16": true, "''": false, "site": true} {
		e := newEmission(&handover.Handover{Site: site.Site{Cluster: weekState(t, strings.Replace(connectedCV, "stable-4.16", channel, 1))}})
		if e.way.ChannelFits() != fits {
			t.Errorf("channel %s fits 4.16.3: %v", channel, !fits)
		}
	}
}

// TestPastedCut: before the cut every node pulls from the mirror, and what a new node trusts has
// the mirror's authorities, beside those of the site.
func TestPastedCut(t *testing.T) {
	t.Parallel()
	in := emitInput{Mirror: "m.example", CA: testCA(t), Images: payloads("4.20.3-x86_64")}
	files, _ := emit(t, in)
	c := running(t, "4.20.3",
		"apiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {trustedCA: {name: company}}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: company, namespace: openshift-config}\ndata: {ca-bundle.crt: company's authority}\n")
	for range 2 { // pasted again, it changes nothing
		for _, b := range pasted(t, c, files, handover.FileCut, "Nodes that are added later") {
			if b.Err != nil {
				t.Errorf("%s\n%s", b.Commands, b.Output)
			}
		}
	}
	bundle := c.Snapshot()[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: "company"}]
	if !strings.Contains(bundle, "company's authority") || strings.Count(bundle, "BEGIN CERTIFICATE") != 1 {
		t.Errorf("the cluster trusts\n%s", bundle)
	}
	c.Put(t, paused("infra"))
	c.Debug = func(_ string, command []string) (string, int) { return "", strings.Count(command[0], "grep") } // it finds nothing, and pulls succeed
	var printed strings.Builder
	for _, b := range pasted(t, c, files, handover.FileCut, "Look before") {
		printed.WriteString(b.Output)
	}
	order(t, printed.String(), "infra   true   <none>", "STOP: the rules of node/worker-a do not name the mirror", "!did not get it")
	order(t, strings.Join(c.Asked(), "\n"), "node/worker-a -- chroot /host grep -qF m.example /etc/containers/registries.conf", "node/worker-a -- chroot /host crictl pull m.example/", "node/worker-b -- chroot /host crictl pull m.example/", "!node/windows")
	for version, want := range map[string][]string{
		"4.14.20": {"Nodes that are added later", "a new trusted authority drains and reboots"},
		"4.15.20": {"Nodes that are added later", "restart CRI-O and kubelet", "!a new trusted authority"},
	} {
		in.ClusterVersion = version
		files, _ := emit(t, in)
		_, step, _ := strings.Cut(string(fileOf(t, files, handover.FileCut).Body), "\n## 2. ")
		step, _, _ = strings.Cut(step, "\n## ")
		order(t, step, want...)
	}
}

// TestTrustedBack: the way back takes what the cut added to what the cluster trusts, whatever was
// there before, and leaves what a person added since.
func TestTrustedBack(t *testing.T) {
	t.Parallel()
	const before = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {channel: x}\n"
	bundle := func(name, body string) string {
		return "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: " + name + ", namespace: openshift-config}\ndata: {ca-bundle.crt: \"" + body + "\"}\n"
	}
	proxy := func(name string) string {
		return "---\napiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {" + name + "}\n"
	}
	const ours, company = "trustedCA: {name: user-ca-bundle}", "trustedCA: {name: company}"
	const theirs, more = `-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n`, `-----BEGIN CERTIFICATE-----\nB\n-----END CERTIFICATE-----\n`
	files, _ := emit(t, emitInput{Mirror: "m.example", CA: testCA(t), Images: payloads("4.20.3-x86_64")})
	for name, c := range map[string]struct {
		was   string
		since func(now map[octest.Key]string) string
		want  string
	}{
		"nothing":               {proxy(""), nil, proxy("")},
		"a bundle that is used": {proxy(company) + bundle("company", theirs), nil, proxy(company) + bundle("company", theirs)},
		"a bundle of no use":    {proxy("") + bundle("user-ca-bundle", theirs), nil, proxy("") + bundle("user-ca-bundle", theirs)},
		"a person adds": {proxy(""), func(now map[octest.Key]string) string {
			var cm map[string]any
			must(t, yaml.Unmarshal([]byte(now[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: "user-ca-bundle"}]), &cm))
			data := cm["data"].(map[string]any)
			data["ca-bundle.crt"] = data["ca-bundle.crt"].(string) + strings.ReplaceAll(more, `\n`, "\n")
			body, err := yaml.Marshal(cm)
			must(t, err)
			return string(body)
		}, proxy(ours) + bundle("user-ca-bundle", more)},
		"a person names another": {proxy(""), func(map[octest.Key]string) string {
			return proxy(company) + bundle("company", more)
		}, proxy(company) + bundle("company", more)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cluster := running(t, "4.20.3", before+c.was)
			dir := t.TempDir()
			written(t, dir, files)
			paste := func(file, step string) {
				_, part, found := strings.Cut(string(fileOf(t, files, file).Body), ". "+step)
				part, _, _ = strings.Cut(part, "\n## ")
				for range 2 {
					for _, b := range cluster.Page(t, dir, []byte(part)) {
						if b.Err != nil || !found {
							t.Errorf("%s\n%s", b.Commands, b.Output)
						}
					}
				}
			}
			paste(handover.FileCut, "Nodes that are added later")
			if now := cluster.Snapshot(); !strings.Contains(now[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: handover.BeforeName}], "proxy-ca-added") {
				t.Error("what is added is not kept")
			} else if own := now[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: "user-ca-bundle"}]; strings.Contains(c.was, "bundle") == strings.Contains(own, kube.ManagedBy) {
				t.Errorf("who made it: %s", own)
			}
			if c.since != nil {
				cluster.Put(t, c.since(cluster.Snapshot()))
			}
			paste(handover.FileRestore, "What the whole cluster trusts")
			now := cluster.Snapshot()
			want := running(t, "4.20.3", before+c.want).Snapshot()
			delete(now, octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: handover.BeforeName})
			delete(want, octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: handover.BeforeName})
			sameCluster(t, now, want)
		})
	}
}

// TestTrustedAdded: of the authorities of a file, those are added that the cluster does not trust yet,
// and no others are kept as what satchel added.
func TestTrustedAdded(t *testing.T) {
	t.Parallel()
	pem := func(s string) string { return "-----BEGIN CERTIFICATE-----\n" + s + "\n-----END CERTIFICATE-----\n" }
	yamlText := func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }
	c := running(t, "4.20.3", "apiVersion: config.openshift.io/v1\nkind: Proxy\nmetadata: {name: cluster}\nspec: {trustedCA: {name: company}}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: company, namespace: openshift-config}\ndata: {ca-bundle.crt: \""+yamlText(pem("THEIRS")+"\n")+"\"}\n",
		"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: satchel-before, namespace: openshift-config}\ndata: {channel: x}\n")
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "two.crt"), []byte("# the first\n"+pem("FIRST")+strings.ReplaceAll(pem("THEIRS"), "\n", "\r\n")+"\n"), 0o600))
	p := page.New(false)
	p.Run(page.Chain(update.AddTrusted("two.crt")...)...)
	for range 2 {
		for _, b := range c.Page(t, dir, p.Bytes()) {
			if b.Err != nil {
				t.Errorf("%s\n%s", b.Commands, b.Output)
			}
		}
	}
	for name, want := range map[string]string{"company": "THEIRS", handover.BeforeName: "!THEIRS"} {
		got := c.Snapshot()[octest.Key{Kind: "ConfigMap", Namespace: "openshift-config", Name: name}]
		if no, absent := strings.CutPrefix(want, "!"); strings.Count(got, "FIRST") != 1 || absent == strings.Contains(got, no) || strings.Count(got, "THEIRS") > 1 {
			t.Errorf("%s is\n%s", name, got)
		}
	}
}

// TestOlderKind: who has the newer kind of rules alone hears that the files have the older one.
func TestOlderKind(t *testing.T) {
	t.Parallel()
	const idms = "apiVersion: config.openshift.io/v1\nkind: ImageDigestMirrorSet\nmetadata: {name: idms-release-0}\nspec: {imageDigestMirrors: [{source: quay.io/openshift-release-dev/ocp-release, mirrors: [m.example/openshift/release-images]}]}\n"
	for api, says := range map[site.MirrorAPI]bool{"": true, site.MirrorICSP: false, site.MirrorIDMS: false} {
		in := emitInput{Mirror: "m.example", ClusterVersion: "4.16.9", MirrorAPI: api, Images: payloads("4.16.9-x86_64"), PresentRules: idms}
		_, notes := emit(t, in)
		if strings.Contains(strings.Join(notes, "\n"), "the older kind: give --mirror-api auto") != says {
			t.Errorf("%q: notes %s", api, notes)
		}
	}
}

// TestDefaultCatalogsByName: a copy that somebody made of a default catalog is not waited for.
func TestDefaultCatalogsByName(t *testing.T) {
	t.Parallel()
	files := emitOn(t, weekOf(t), weekState(t, connectedImage, connectedHub, connectedCV))
	c := running(t, "4.16.3", "apiVersion: operators.coreos.com/v1alpha1\nkind: CatalogSource\nmetadata: {name: copy, namespace: openshift-marketplace, annotations: {operatorframework.io/managed-by: marketplace-operator}}\nspec: {}\n")
	if b := pasted(t, c, files, handover.FileApply, ". Catalogs")[0]; !strings.Contains(b.Commands, "grep 'managed-by") || b.Output != "" {
		t.Errorf("%s prints\n%s", b.Commands, b.Output)
	}
}
