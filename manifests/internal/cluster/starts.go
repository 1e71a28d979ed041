package cluster

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Start is one container that pods of a workload run, or would run, with what decides whether a
// node pulls its image again. All its fields can be compared.
type Start struct {
	From      string // the kind of object that names the image: Pod, or the owner that would start some
	Namespace string
	Kind      string // of the workload, the topmost owner that is known, such as Deployment; Pod for one without
	Name      string
	Pod       string // the first of its pods by name; "" for a workload without
	Container string // "volume NAME" for a volume that is an image
	Image     string // as it is written there
	ID        string // the image with its digest, as the pod's imageID has it; "" unknown
	Pull      string // imagePullPolicy: Always, IfNotPresent or Never; "" unknown
	Secrets   string // the pod's imagePullSecrets, without those that the cluster makes for its own registry
	Archs     string // of the nodes that its pods are on, or that it asks for, as Go writes them; "" unknown
	Pods      int    // that run it; 0 for a workload without
	Static    bool   // the kubelet starts it from a file of the node
	Internal  bool   // the cluster's own registry has the image
	Through   string // where that registry has it from, and may have to get it again: an ImageStream was imported; "" for nowhere
	Windows   bool   // its nodes run Windows
}

// Workload names what the container belongs to, as oc takes it.
func (s Start) Workload() string { return s.Namespace + "/" + strings.ToLower(s.Kind) + "/" + s.Name }

const (
	// maxStarts bounds the containers of a cluster; those beyond it are counted alone.
	maxStarts = 1 << 16
	// maxStartBytes bounds the memory that they take.
	maxStartBytes = 24 << 20
	maxArchs      = 8 // of one workload
)

// starting is a [Start] while a cluster is read.
type starting struct {
	Start
	nodes map[string]bool // that its pods are on
}

// meta is what of a pod says whose it is (k8s.io/apimachinery, meta/v1).
type meta struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Owners      []ownerReference  `json:"ownerReferences"`
}

type ownerReference struct {
	Kind       string `json:"kind"`
	Name       string `json:"name"`
	Controller bool   `json:"controller"`
}

// controller is the owner that made the object: the one that says so, else the first.
func (m *meta) controller() (o ownerReference, ok bool) {
	for _, o := range m.Owners {
		if o.Controller {
			return o, true
		}
	}
	if len(m.Owners) == 0 {
		return o, false
	}
	return m.Owners[0], true
}

const (
	// annotationStatic is on the copy of a static pod that the API server has (kubernetes, kubelet/types, ConfigMirrorAnnotationKey).
	annotationStatic = "kubernetes.io/config.mirror"
	// labelTemplate ends the name of a ReplicaSet that a Deployment made (k8s.io/api, apps/v1, DefaultDeploymentUniqueLabelKey).
	labelTemplate = "pod-template-hash"
	// annotationDeploymentConfig names the DeploymentConfig of a pod (openshift/library-go, appsutil).
	annotationDeploymentConfig = "openshift.io/deployment-config.name"
	labelArch                  = "kubernetes.io/arch"
	labelOS                    = "kubernetes.io/os"
)

// workload gives the topmost owner that a pod itself, or its Job, says. static: a node's kubelet has it from a file.
func (g *gathering) workload(namespace, pod string, m *meta) (kind, name string, static bool) {
	if m.Annotations[annotationStatic] != "" {
		return "Pod", pod, true
	}
	by, ok := m.controller()
	if !ok {
		return "Pod", pod, false
	}
	hash := m.Labels[labelTemplate]
	switch name, made := strings.CutSuffix(by.Name, "-"+hash); {
	case by.Kind == "ReplicaSet" && hash != "" && made:
		return "Deployment", name, false
	case by.Kind == "ReplicationController" && m.Annotations[annotationDeploymentConfig] != "":
		return "DeploymentConfig", m.Annotations[annotationDeploymentConfig], false
	case by.Kind == "VirtualMachineInstance": // of the VirtualMachine of that name
		return "VirtualMachine", by.Name, false
	}
	return by.Kind, by.Name, false
}

// starts notes what the containers of a pod, or of what would make some, need to start.
func (g *gathering) starts(h head, body []byte, o *owner) error {
	switch h.Kind {
	case "BuildConfig", "ImageStream", "DataVolume", "DataImportCron": // no node pulls for them
		return nil
	}
	var in struct {
		Metadata meta `json:"metadata"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	if by, ok := in.Metadata.controller(); ok && h.Kind == "Job" && by.Kind == "CronJob" {
		g.cronJobs[h.Metadata.Namespace+"/"+h.Metadata.Name] = by.Name
	}
	if o.ended(h.Kind) {
		return nil
	}
	s := Start{From: h.Kind, Namespace: h.Metadata.Namespace, Kind: h.Kind, Name: h.Metadata.Name}
	if h.Kind == "Pod" {
		s.Pod, s.Pods = h.Metadata.Name, 1
		s.Kind, s.Name, s.Static = g.workload(s.Namespace, s.Pod, &in.Metadata)
	}
	started := slices.Concat(o.Status.InitContainers, o.Status.Containers, o.Status.EphemeralContainers)
	for _, spec := range []podSpec{o.Spec.podSpec, o.Spec.Template.Spec, o.Spec.JobTemplate.Spec.Template.Spec} {
		g.startsOf(s, &spec, started)
	}
	return nil
}

// startsOf adds the containers of one pod's spec, and its volumes that are images.
func (g *gathering) startsOf(s Start, spec *podSpec, started []container) {
	s.Secrets, s.Archs = spec.secrets(), spec.Selector[labelArch]
	s.Windows = spec.Selector[labelOS] == windows || spec.OS.Name == windows
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers, spec.Steps, spec.Sidecars) { // ephemeral ones never start again
		s.Container, s.Image, s.ID, s.Pull = c.Name, spec.filled(c.Image), "", c.Pull
		for _, is := range started {
			if is.Name == c.Name {
				s.ID = is.ImageID
			}
		}
		g.start(s, spec.Node)
	}
	s.ID = ""
	for _, v := range spec.Volumes {
		s.Container, s.Image, s.Pull = "volume "+v.Name, cmp.Or(v.Image.Reference, v.ContainerDisk.Image), cmp.Or(v.Image.Pull, v.ContainerDisk.Pull)
		g.start(s, spec.Node)
	}
}

// filled is the name of an image with the defaults of a Task's parameters in it (tektoncd/pipeline, v1).
func (s *podSpec) filled(image string) string {
	for _, p := range s.Params {
		var value string
		if strings.Contains(image, "$(") && len(image) <= maxName && json.Unmarshal(p.Default, &value) == nil && value != "" {
			image = strings.NewReplacer("$(params."+p.Name+")", value, "$(inputs.params."+p.Name+")", value).Replace(image)
		}
	}
	return image
}

// secrets names the pull secrets of a pod that somebody gave it. Those of the cluster's own registry
// are named after a service account (openshift-controller-manager, imagepullsecret).
func (s *podSpec) secrets() string {
	var names []string
	for _, one := range s.PullSecrets {
		if one.Name != "" && !strings.Contains(one.Name, "-dockercfg-") {
			names = append(names, text.ASCII(text.Cut(one.Name, 253)))
		}
	}
	return strings.Join(text.Sorted(names), ",")
}

// start adds one container. Pods of one workload that run the same are one.
func (g *gathering) start(s Start, node string) {
	s.Image = strings.TrimSpace(s.Image)
	if s.Image == "" && s.ID == "" || len(s.Image) > maxName || len(s.ID) > maxName {
		return
	}
	for _, part := range []*string{&s.Namespace, &s.Kind, &s.Name, &s.Pod, &s.Container, &s.Image, &s.ID, &s.Pull, &s.Archs} {
		*part = text.ASCII(*part)
		if len(*part) > maxName {
			return
		}
	}
	key := s
	key.Pod, key.Pods = "", 0
	one, ok := g.starting[key]
	switch {
	case ok:
		one.Pods += s.Pods
		one.Pod = min(one.Pod, s.Pod)
	case len(g.starting) >= maxStarts || g.startBytes > maxStartBytes:
		g.state.StartsLeft++
		return
	default:
		g.startBytes += len(s.Image) + len(s.ID) + len(s.Name) + len(s.Pod) + 512
		one = &starting{Start: s}
		g.starting[key] = one
	}
	if node != "" && len(one.nodes) < maxArchs*64 {
		if one.nodes == nil {
			one.nodes = map[string]bool{}
		}
		one.nodes[node] = true
	}
}

// started makes the list of what was noted, sorted.
func (g *gathering) started() (list []Start) {
	nodes := map[string]nodeInfo{}
	for _, o := range g.state.Of("Node") {
		nodes[o.Name] = infoOf(o.Body)
	}
	for _, one := range g.starting {
		s := one.Start
		if cron := g.cronJobs[s.Namespace+"/"+s.Name]; s.Kind == "Job" && cron != "" {
			s.Kind, s.Name = "CronJob", cron
		}
		var on []string
		for node := range one.nodes {
			if nodes[node].OS != windows {
				on = append(on, nodes[node].Architecture)
			}
		}
		s.Windows = s.Windows || len(one.nodes) > 0 && len(on) == 0
		if on = slices.DeleteFunc(text.Sorted(on), func(a string) bool { return a == "" }); len(on) > 0 {
			s.Archs = strings.Join(on[:min(len(on), maxArchs)], ",")
		}
		s.Internal = g.isInternal(s.Image) || s.Image == "" && g.isInternal(s.ID)
		if name, ok := g.inRegistry(cmp.Or(s.Image, s.ID)); ok {
			if from := g.follow(name).id; from != "" && !g.isInternal(from) {
				s.Through = text.ASCII(text.Cut(from, maxName))
			}
		}
		list = append(list, s)
	}
	return joinedStarts(list)
}

// joinedStarts sorts them, and makes one of those that differ in their pods alone.
func joinedStarts(list []Start) []Start {
	by := map[Start]Start{}
	for _, s := range list {
		key := s
		key.Pod, key.Pods = "", 0
		have, ok := by[key]
		if ok {
			s.Pod, s.Pods = min(have.Pod, s.Pod), have.Pods+s.Pods
		}
		by[key] = s
	}
	return slices.SortedFunc(maps.Values(by), compareStarts)
}

func compareStarts(a, b Start) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Container, b.Container),
		cmp.Compare(a.Image, b.Image), cmp.Compare(a.ID, b.ID), cmp.Compare(a.From, b.From), cmp.Compare(a.Pull, b.Pull), cmp.Compare(a.Secrets, b.Secrets), cmp.Compare(a.Archs, b.Archs))
}

// joinStarts takes those of two readings, of kinds that the newer has whole its own alone.
func (s *State) joinStarts(newer, older *State) {
	list := slices.Clone(newer.Starts)
	have := map[Start]bool{}
	for _, one := range list {
		have[startKey(one)] = true
	}
	for _, one := range older.Starts {
		if !newer.whole[one.From] && !have[startKey(one)] {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, compareStarts)
	s.Starts, s.StartsLeft = list, max(newer.StartsLeft, older.StartsLeft)
}

// startKey is what makes two of them the same in two readings.
func startKey(s Start) Start {
	return Start{From: s.From, Namespace: s.Namespace, Kind: s.Kind, Name: s.Name, Container: s.Container, Image: s.Image, ID: s.ID}
}

// windows is how Kubernetes names that system.
const windows = "windows"

// nodeInfo is what a node is, as Go writes it (k8s.io/api, core/v1, NodeSystemInfo).
type nodeInfo struct {
	Architecture string `json:"architecture"`
	OS           string `json:"operatingSystem"`
}

func infoOf(body []byte) nodeInfo {
	var n struct {
		Status struct {
			Info nodeInfo `json:"nodeInfo"`
		} `json:"status"`
	}
	if json.Unmarshal(body, &n) != nil {
		return nodeInfo{}
	}
	n.Status.Info.Architecture = text.ASCII(text.Cut(n.Status.Info.Architecture, 32))
	return n.Status.Info
}

// Architectures are those of the cluster's nodes, as Go writes them, sorted, without nodes of Windows; none: not
// known.
func (s *State) Architectures() (list []string) {
	for _, o := range s.Of("Node") {
		if info := infoOf(o.Body); info.Architecture != "" && info.OS != windows {
			list = append(list, info.Architecture)
		}
	}
	return text.Sorted(list)
}

// Multi reports whether the cluster takes only releases for several architectures: it runs one, or has nodes of
// several (cluster-version-operator, pkg/cvo/availableupdates.go).
func (s *State) Multi() bool {
	var cv struct {
		Status struct {
			Desired struct {
				Architecture string `json:"architecture"`
			} `json:"desired"`
		} `json:"status"`
	}
	one, ok := s.One("ClusterVersion", "", "version")
	return ok && json.Unmarshal(one.Body, &cv) == nil && cv.Status.Desired.Architecture == "Multi" || len(s.Architectures()) > 1
}

// noteStarts says where more containers were read than are kept.
func (g *gathering) noteStarts() {
	if n := g.state.StartsLeft; n > 0 {
		g.note("%s beyond what satchel keeps of one cluster: nobody knows whether they would start again", fmt.Sprint(text.Count(n, "container is", "containers are")))
	}
}
