package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Files for clusters that are installed behind the air gap.
const (
	fileInstall           = "install/README.md"
	fileInstallConfig     = "install/install-config.yaml"
	fileInstallConfig413  = "install/install-config-4.13.yaml"
	fileInstallRegistries = "install/registries.conf"
	fileInstallCA         = "install/ca-bundle.crt"
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
	if len(e.Payloads) == 0 {
		return nil
	}
	sources := e.imageSources()
	way := ""
	if len(e.Site.CA) > 0 {
		var err error
		if way, err = e.trustBundle(); err != nil {
			return err
		}
	}
	usable := slices.DeleteFunc(slices.Clone(e.Payloads), func(img oci.Image) bool { return !e.lead.Installable(img) })
	if names := e.refused(usable); len(names) > 0 {
		e.Note("no new cluster can be installed from %s, because signatures are missing or wrong: %s says so too", text.Some(names, 3), fileInstall)
	}
	if len(usable) == 0 {
		p := e.NewPage()
		p.Text("# New clusters behind the air gap")
		e.pageRefused(p, usable)
		e.Add(fileInstall, handover.ModePublic, p.Bytes())
		return nil
	}
	if way != "" {
		e.Add(fileInstallCA, handover.ModePublic, []byte(way))
	}
	var hosted hostedPatch
	hosted.Spec.ImageContentSources = sources
	if way != "" {
		hosted.Spec.AdditionalTrustBundle = &kube.NameRef{Name: hostedTrust}
	}
	e.Add(fileInstallRegistries, handover.ModePublic, rules.On(e.lead.Groups, e.withoutTLS(), nil).TOML())
	for file, o := range map[string]any{
		fileInstallConfig:          installConfig{ImageDigestSources: sources, AdditionalTrustBundle: way},
		fileInstallConfig413:       installConfig{ImageContentSources: sources, AdditionalTrustBundle: way},
		handover.FileHostedCluster: hosted,
	} {
		if err := e.AddObject(file, handover.ModePublic, o); err != nil {
			return err
		}
	}
	sets, err := e.emitImageSets(usable)
	if err != nil {
		return err
	}
	e.Add(fileInstall, handover.ModePublic, e.installPage(usable, sets, way != ""))
	return nil
}

// emitImageSets writes a ClusterImageSet for each release.
func (e *emission) emitImageSets(payloads []oci.Image) (files []string, err error) {
	for _, img := range payloads {
		set := clusterImageSet{Object: kube.Ours("hive.openshift.io/v1", "ClusterImageSet", "img"+strings.ToLower(strings.NewReplacer("_", "-", "+", "-").Replace(origin.PayloadName(img))), "")}
		set.Metadata.Labels["visible"] = "true" // the console offers it
		set.Spec.ReleaseImage = e.Place(img)
		file := "install/clusterimageset-" + strings.TrimPrefix(set.Metadata.Name, "img") + ".yaml"
		if err := e.AddObject(file, handover.ModePublic, set); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	return files, nil
}

// refused names the releases that are not among those that a new cluster can be installed from.
func (e *emission) refused(usable []oci.Image) (names []string) {
	for _, img := range e.Payloads {
		if !slices.ContainsFunc(usable, func(u oci.Image) bool { return u.Source == img.Source && u.Path == img.Path }) {
			names = append(names, origin.PayloadName(img))
		}
	}
	return names
}

// pageRefused says why these are not here.
func (e *emission) pageRefused(p *page.Page, usable []oci.Image) {
	if names := e.refused(usable); len(names) > 0 {
		p.Text("**Not here: %s. The mirror lacks signatures of images that they are made of: the nodes of a new cluster would refuse these, or find no rule for them. The step about rules in %s lists what is missing. Pack and unpack the signatures first.**", text.And(handover.Codes(names)), handover.FileApply)
	}
}

// withoutTLS lists the mirror's hosts if it has no TLS: new clusters are not told by others.
func (e *emission) withoutTLS() []string {
	if !e.Site.PlainHTTP {
		return nil
	}
	return e.Hosts()
}

// imageSources are the rules as an installer takes them, those of earlier bundles too.
func (e *emission) imageSources() (list []imageSource) {
	for _, r := range e.lead.HostedRules() {
		list = append(list, imageSource{Mirrors: r.Mirrors, Source: r.Source})
	}
	return list
}

// trustBundle is the mirror's authorities, each checked.
func (e *emission) trustBundle() (string, error) {
	noted := e.Notes
	certs, err := e.trust.CheckCA()
	e.Notes = noted // the step of the authorities has them
	return certs, err
}

// installPage says what each file is for.
func (e *emission) installPage(payloads []oci.Image, sets []string, way bool) []byte {
	p := e.NewPage()
	p.Text("# New clusters behind the air gap")
	p.Text("These files are for clusters that are installed from %s. The cluster that %s is for%s does not need them. The commands are for the directory above this one.", e.Mirrors()[0], handover.FileApply, e.whichName())
	p.Text("Every way of installing needs a pull secret with an entry for `%s`: secrets/mirror.dockerconfigjson has it, if satchel knew a credential for nodes.", e.Mirrors()[0].Host)
	e.pageRefused(p, payloads)
	p.Step("openshift-install")
	p.Text("Add the content of %s to install-config.yaml (%s for releases before 4.14). Use the openshift-install of exactly the release that is to be installed.", fileInstallConfig, fileInstallConfig413)
	if e.Site.PlainHTTP {
		p.Text("**The mirror speaks plain HTTP, and install-config.yaml has no field for that: give the mirror a certificate first.**")
	}
	e.pageReleases(p, payloads)
	e.pageTools(p)
	p.Step("The agent-based installer, with files of its own")
	if way {
		p.Text("If you use install-config.yaml, step 1 is enough. If you use cluster manifests, copy %s and %s into the directory `mirror` of the assets.", fileInstallRegistries, fileInstallCA)
	} else {
		p.Text("If you use install-config.yaml, step 1 is enough. If you use cluster manifests, copy %s into the directory `mirror` of the assets.", fileInstallRegistries)
	}
	p.Step("The multicluster engine, and Advanced Cluster Management")
	p.Text("Apply the ClusterImageSets on the hub: they offer the releases by their place in the mirror. Nodes: nothing changes.")
	var files []handover.Named
	for _, f := range sets {
		files = append(files, handover.Named{File: f})
	}
	p.Run("oc apply" + handover.Flagged(files))
	e.pageAssisted(p, way)
	p.Step("Hosted control planes")
	p.Text("A HostedCluster does not have the rules of the cluster that hosts it. Merge %s into the HostedCluster before it is created: a change of imageContentSources later replaces or reboots its nodes.", handover.FileHostedCluster)
	if way {
		p.Text("The ConfigMap with the authorities is created in the namespace of the HostedCluster, here `clusters`.")
		p.Run("oc create configmap "+hostedTrust+" -n clusters --from-file=ca-bundle.crt="+fileInstallCA, "oc label configmap "+hostedTrust+" -n clusters "+kube.Mine)
	}
	return p.Bytes()
}

// pageAssisted has the assisted service of the hub lead the machines that it boots to the mirror.
func (e *emission) pageAssisted(p *page.Page, way bool) {
	p.Text("If the hub installs clusters by the assisted service (it has an AgentServiceConfig), the machines that it boots need the mirror too. The commands write a ConfigMap for that, and name it. The AgentServiceConfig may name one already, which the first command prints: then merge these files into that one, and leave the others out.")
	files := " --from-file=registries.conf=" + fileInstallRegistries
	if way {
		files += " --from-file=ca-bundle.crt=" + fileInstallCA
	}
	p.Run("oc get agentserviceconfig agent -o jsonpath='{.spec.mirrorRegistryRef.name}'")
	p.Run(
		"oc create configmap "+assistedMirror+" -n multicluster-engine --dry-run=client -o yaml"+files+" | oc apply -f -",
		"oc label configmap "+assistedMirror+" -n multicluster-engine app=assisted-service "+kube.Mine+" --overwrite",
		"oc patch agentserviceconfig agent --type=merge -p '{\"spec\":{\"mirrorRegistryRef\":{\"name\":\""+assistedMirror+"\"}}}'",
	)
}

// pageTools lists the programs that came along, and what they need that did not.
func (e *emission) pageTools(p *page.Page) {
	var tools, disks []string
	for _, facts := range e.Site.Payloads {
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
func (e *emission) pageReleases(p *page.Page, payloads []oci.Image) {
	var list []string
	for _, img := range payloads {
		list = append(list, fmt.Sprintf("%s: `%s`", origin.PayloadName(img), e.Place(img)))
	}
	p.List(list)
}
