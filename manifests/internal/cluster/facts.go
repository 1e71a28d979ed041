package cluster

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/blang/semver/v4"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Platform reports whether a namespace belongs to the platform: a default must-gather has those
// and no others. Operators are installed into some of them.
func Platform(namespace string) bool {
	switch namespace {
	case "default", "openshift", "assisted-installer":
		return true
	}
	return strings.HasPrefix(namespace, "openshift-") || strings.HasPrefix(namespace, "kube-")
}

// Applications reports whether it is known what applications run, or would run: pods and all kinds
// of [Workloads] were read of all namespaces. A must-gather has the platform's namespaces alone.
func (s *State) Applications() bool { return s != nil && len(s.UnknownWorkloads()) == 0 }

// UnknownWorkloads lists the kinds of [Workloads] that were not read of all namespaces.
func (s *State) UnknownWorkloads() []string {
	return slices.DeleteFunc(Workloads(), s.Known)
}

// Namespaces lists those that pods were read of.
func (s *State) Namespaces() []string {
	if s == nil {
		return nil
	}
	return slices.Sorted(maps.Keys(s.namespaces))
}

// Notes is what could not be read, a line each.
func (s *State) Notes() []string {
	if s == nil {
		return nil
	}
	return s.notes
}

// SetVersion says which version runs, where the objects do not. The error is an *[Error] where it
// is no version, or another one runs.
func (s *State) SetVersion(version string) error {
	said, err := semver.Parse(version)
	if err != nil {
		return &Error{Why: fmt.Sprintf("%q is no version", text.ASCII(text.Cut(version, 64))), hint: "name it as oc get clusterversion prints it, such as 4.18.21"}
	}
	if runs, known := s.Running(); known && !runs.EQ(said) {
		return &Error{Why: fmt.Sprintf("the cluster %s runs %s, and not %s", s.Name, runs, said), hint: "leave out the version: the cluster's objects say it"}
	}
	s.Version = said.String()
	return nil
}

// ID is the cluster's own; "" where it is not known.
func (s *State) ID() string {
	cv, _ := s.One("ClusterVersion", "", "version")
	return idOf(cv.Body)
}

// Address is that of the cluster's API server, as others reach it; "" where it is not known.
func (s *State) Address() string {
	var i struct {
		Status struct {
			URL string `json:"apiServerURL"`
		} `json:"status"`
	}
	one, ok := s.One("Infrastructure", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &i) != nil {
		return ""
	}
	return i.Status.URL
}

// Topology is where the control plane runs: HighlyAvailable, SingleReplica, External (hosted
// control planes), and others of later versions; "" where it is not known (openshift/api,
// config/v1, Infrastructure).
func (s *State) Topology() string {
	var i struct {
		Status struct {
			Topology string `json:"controlPlaneTopology"`
		} `json:"status"`
	}
	one, ok := s.One("Infrastructure", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &i) != nil {
		return ""
	}
	return i.Status.Topology
}

// OKD reports whether a cluster is OKD and not OpenShift, by the image or the version of what
// runs. known is false where neither is known.
func (s *State) OKD() (is, known bool) {
	var cv struct {
		Status struct {
			Desired release `json:"desired"`
		} `json:"status"`
	}
	one, ok := s.One("ClusterVersion", "", "version")
	if ok && json.Unmarshal(one.Body, &cv) == nil && cv.Status.Desired.Image != "" {
		if strings.Contains(cv.Status.Desired.Image, "okd") || strings.Contains(cv.Status.Desired.Image, "origin/release") {
			return true, true
		}
	}
	v, ok := s.Running()
	if !ok {
		return false, false
	}
	for _, pre := range v.Pre { // 4.15.0-0.okd-2024-03-10-010116, 4.20.0-okd-scos.1
		if strings.Contains(pre.VersionStr, "okd") {
			return true, true
		}
	}
	return false, true
}

// Payload is the digest of the release image that the version operator runs from, sha256:HEX; ""
// where its pod was not read. It is known also where no ClusterVersion was given.
func (s *State) Payload() string {
	if s == nil {
		return ""
	}
	for _, u := range s.Images {
		if u.Kind == "Pod" && u.Namespace == "openshift-cluster-version" && u.Container == "cluster-version-operator" && !u.Ended {
			for _, name := range []string{u.Image, u.ID} {
				if d := digestPattern.FindString(name); d != "" {
					return d
				}
			}
		}
	}
	return ""
}

// RegistryAuthority is the authorities, PEM, that nodes of the cluster have for a registry, HOST[:PORT], by
// additionalTrustedCA of image.config, and for everything by trustedCA of its proxy; "" for none, or where
// that was not read.
func (s *State) RegistryAuthority(registry string) string {
	if s == nil {
		return ""
	}
	return s.additionalAuthority(registry) + s.proxyAuthority()
}

// proxyAuthority is what the machine config operator puts among the authorities of each node's system.
func (s *State) proxyAuthority() string {
	var proxy struct {
		Spec struct {
			Trusted struct{ Name string } `json:"trustedCA"`
		} `json:"spec"`
	}
	one, ok := s.One("Proxy", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &proxy) != nil || proxy.Spec.Trusted.Name == "" {
		return ""
	}
	named, ok := s.One(configMaps.kind, namespaceConfig, proxy.Spec.Trusted.Name)
	var in struct {
		Data map[string]string `json:"data"`
	}
	if !ok || json.Unmarshal(named.Body, &in) != nil || in.Data["ca-bundle.crt"] == "" {
		return ""
	}
	return in.Data["ca-bundle.crt"] + "\n"
}

func (s *State) additionalAuthority(registry string) string {
	var image struct {
		Spec struct {
			Additional struct{ Name string } `json:"additionalTrustedCA"`
		} `json:"spec"`
	}
	one, ok := s.One("Image", "", "cluster")
	if !ok || json.Unmarshal(one.Body, &image) != nil || image.Spec.Additional.Name == "" {
		return ""
	}
	named, ok := s.One(configMaps.kind, namespaceConfig, image.Spec.Additional.Name)
	var in struct {
		Data       map[string]string `json:"data"`
		BinaryData map[string][]byte `json:"binaryData"`
	}
	if !ok || json.Unmarshal(named.Body, &in) != nil {
		return ""
	}
	key := registry
	if i := strings.LastIndexByte(key, ':'); i >= 0 { // no colon is in a key
		key = key[:i] + ".." + key[i+1:]
	}
	return in.Data[key] + string(in.BinaryData[key]) + "\n"
}

// authorities lists the ConfigMaps of openshift-config that hold the authorities of registries
// and of the proxy.
func (s *State) authorities() (names []string) {
	if s.Topology() == "External" {
		names = append(names, "user-ca-bundle") // what a hosted cluster makes of its HostedCluster's
	}
	for _, kind := range []string{"Image", "Proxy"} {
		one, ok := s.One(kind, "", "cluster")
		var spec struct {
			Spec struct {
				Trusted    struct{ Name string } `json:"trustedCA"`
				Additional struct{ Name string } `json:"additionalTrustedCA"`
			} `json:"spec"`
		}
		if !ok || json.Unmarshal(one.Body, &spec) != nil {
			continue
		}
		for _, name := range []string{spec.Spec.Trusted.Name, spec.Spec.Additional.Name} {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}
