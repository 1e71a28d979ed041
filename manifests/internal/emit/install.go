package emit

import (
	"fmt"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// Files for clusters that are installed behind the air gap.
const (
	fileInstall           = "install/README.md"
	fileInstallConfig     = "install/install-config.yaml"
	fileInstallConfig413  = "install/install-config-4.13.yaml"
	fileInstallRegistries = "install/registries.conf"
	fileInstallCA         = "install/ca-bundle.crt"
	fileHostedCluster     = "install/hostedcluster-patch.yaml"
	hostedTrust           = "satchel-mirror-ca"
	// assistedMirror is the ConfigMap that the assisted service is to read (openshift/assisted-service,
	// docs/operator.md).
	assistedMirror = "satchel-mirror"
)

type (
	// installConfig is a part of openshift-install's file (openshift/installer, pkg/types).
	installConfig struct {
		ImageDigestSources    []imageSource `json:"imageDigestSources,omitempty"`
		ImageContentSources   []imageSource `json:"imageContentSources,omitempty"` // before 4.14
		AdditionalTrustBundle string        `json:"additionalTrustBundle,omitempty"`
	}
	imageSource struct {
		Mirrors []string `json:"mirrors"`
		Source  string   `json:"source"`
	}
	// clusterImageSet is a release that the multicluster engine offers (openshift/hive).
	clusterImageSet struct {
		kube.Object
		Spec struct {
			ReleaseImage string `json:"releaseImage"`
		} `json:"spec"`
	}
	// hostedPatch is what a HostedCluster needs in addition (openshift/hypershift).
	hostedPatch struct {
		Spec struct {
			ImageContentSources   []imageSource `json:"imageContentSources"`
			AdditionalTrustBundle *kube.NameRef `json:"additionalTrustBundle,omitempty"`
		} `json:"spec"`
	}
)

// emitInstall writes what a new cluster needs to be installed from the mirror, where a release
// is carried.
func (e *emission) emitInstall() error {
	if len(e.payloads) == 0 {
		return nil
	}
	sources := e.imageSources()
	trust := ""
	if len(e.site.CA) > 0 {
		var err error
		if trust, err = e.trustBundle(); err != nil {
			return err
		}
		e.add(fileInstallCA, modePublic, []byte(trust))
	}
	var hosted hostedPatch
	hosted.Spec.ImageContentSources = sources
	if trust != "" {
		hosted.Spec.AdditionalTrustBundle = &kube.NameRef{Name: hostedTrust}
	}
	e.add(fileInstallRegistries, modePublic, rules.On(e.groups, e.withoutTLS(), nil).TOML())
	for file, o := range map[string]any{
		fileInstallConfig:    installConfig{ImageDigestSources: sources, AdditionalTrustBundle: trust},
		fileInstallConfig413: installConfig{ImageContentSources: sources, AdditionalTrustBundle: trust},
		fileHostedCluster:    hosted,
	} {
		if err := e.addObject(file, modePublic, o); err != nil {
			return err
		}
	}
	var sets []string
	for _, img := range e.payloads {
		set := clusterImageSet{Object: kube.Ours("hive.openshift.io/v1", "ClusterImageSet", "img"+strings.ToLower(strings.NewReplacer("_", "-", "+", "-").Replace(origin.PayloadName(img))), "")}
		set.Metadata.Labels["visible"] = "true" // the console offers it
		set.Spec.ReleaseImage = e.place(img)
		file := "install/clusterimageset-" + strings.TrimPrefix(set.Metadata.Name, "img") + ".yaml"
		if err := e.addObject(file, modePublic, set); err != nil {
			return err
		}
		sets = append(sets, file)
	}
	e.add(fileInstall, modePublic, e.installPage(sets, trust != ""))
	return nil
}

// withoutTLS lists the mirror's hosts if it has no TLS: new clusters are not told by others.
func (e *emission) withoutTLS() []string {
	if !e.site.PlainHTTP {
		return nil
	}
	return e.hosts()
}

// imageSources are the rules as an installer takes them, those of earlier bundles too.
func (e *emission) imageSources() (list []imageSource) {
	for _, r := range e.hostedRules() {
		list = append(list, imageSource{Mirrors: r.Mirrors, Source: r.Source})
	}
	return list
}

// trustBundle is the mirror's authorities, each checked.
func (e *emission) trustBundle() (string, error) {
	noted := e.notes
	certs, err := e.checkCA()
	e.notes = noted // the step of the authorities has them
	return certs, err
}

// installPage says what each file is for.
func (e *emission) installPage(sets []string, trust bool) []byte {
	p := e.newPage()
	p.Text("# New clusters behind the air gap")
	p.Text("These files are for clusters that are installed from %s. The cluster that %s is for does not need them. The commands are for the directory above this one.", e.mirrors()[0], fileApply)
	p.Text("Every way of installing needs a pull secret with an entry for `%s`: secrets/mirror.dockerconfigjson has it, if satchel knew a credential for nodes.", e.mirrors()[0].Host)
	p.Step("openshift-install")
	p.Text("Add the content of %s to install-config.yaml (%s for releases before 4.14). Use the openshift-install of exactly the release that is to be installed.", fileInstallConfig, fileInstallConfig413)
	if e.site.PlainHTTP {
		p.Text("**The mirror speaks plain HTTP, and install-config.yaml has no field for that: give the mirror a certificate first.**")
	}
	e.pageReleases(p)
	e.pageTools(p)
	p.Step("The agent-based installer, with files of its own")
	if trust {
		p.Text("If you use install-config.yaml, step 1 is enough. If you use cluster manifests, copy %s and %s into the directory `mirror` of the assets.", fileInstallRegistries, fileInstallCA)
	} else {
		p.Text("If you use install-config.yaml, step 1 is enough. If you use cluster manifests, copy %s into the directory `mirror` of the assets.", fileInstallRegistries)
	}
	p.Step("The multicluster engine, and Advanced Cluster Management")
	p.Text("Apply the ClusterImageSets on the hub: they offer the releases by their place in the mirror. Nodes: nothing changes.")
	var files []named
	for _, f := range sets {
		files = append(files, named{file: f})
	}
	p.Run("oc apply" + flagged(files))
	e.pageAssisted(p, trust)
	p.Step("Hosted control planes")
	p.Text("A HostedCluster does not have the rules of the cluster that hosts it. Merge %s into the HostedCluster before it is created: a change of imageContentSources later replaces or reboots its nodes.", fileHostedCluster)
	if trust {
		p.Text("The ConfigMap with the authorities is created in the namespace of the HostedCluster, here `clusters`.")
		p.Run("oc create configmap " + hostedTrust + " -n clusters --from-file=ca-bundle.crt=" + fileInstallCA)
	}
	return p.Bytes()
}

// pageAssisted has the assisted service of the hub lead the machines that it boots to the mirror.
func (e *emission) pageAssisted(p *page.Page, trust bool) {
	p.Text("If the hub installs clusters by the assisted service (it has an AgentServiceConfig), the machines that it boots need the mirror too. The commands write a ConfigMap for that, and name it. The AgentServiceConfig may name one already, which the first command prints: then merge these files into that one, and leave the others out.")
	files := " --from-file=registries.conf=" + fileInstallRegistries
	if trust {
		files += " --from-file=ca-bundle.crt=" + fileInstallCA
	}
	p.Run("oc get agentserviceconfig agent -o jsonpath='{.spec.mirrorRegistryRef.name}'")
	p.Run(
		"oc create configmap "+assistedMirror+" -n multicluster-engine --dry-run=client -o yaml"+files+" | oc apply -f -",
		"oc label configmap "+assistedMirror+" -n multicluster-engine app=assisted-service --overwrite",
		"oc patch agentserviceconfig agent --type=merge -p '{\"spec\":{\"mirrorRegistryRef\":{\"name\":\""+assistedMirror+"\"}}}'",
	)
}

// pageTools lists the programs that came along, and what they need that did not.
func (e *emission) pageTools(p *page.Page) {
	var tools, disks []string
	for _, facts := range e.site.Payloads {
		for _, t := range facts.Tools {
			tools = append(tools, fmt.Sprintf("`%s`, for %s", facts.ToolFile(t), t.Source))
		}
		for _, d := range facts.Disks {
			disks = append(disks, fmt.Sprintf("%s %s, %s %s: %s (SHA-256 %s)", facts.Version, d.Arch, d.Platform, d.Format, page.Markdown(d.URL), d.SHA256.Encoded()))
		}
	}
	if len(tools) == 0 {
		p.Text("The bundle was packed without the programs: `satchel pack --with-tools` brings oc and openshift-install of each release.")
		return
	}
	p.Text("The programs of these releases, as they were taken out of the releases' own images:")
	p.List(tools)
	if len(disks) > 0 {
		p.Text("**The images that machines boot from are not carried.** openshift-install fetches those of some platforms from the internet. Bring the one that you need here by hand, and check its SHA-256. (The agent-based installer needs none: it takes them from the release.)")
		p.List(disks)
	}
}

// pageReleases lists where the releases are.
func (e *emission) pageReleases(p *page.Page) {
	var list []string
	for _, img := range e.payloads {
		list = append(list, fmt.Sprintf("%s: `%s`", origin.PayloadName(img), e.place(img)))
	}
	p.List(list)
}
