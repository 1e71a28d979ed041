package updatepath

import (
	"regexp"
	"strconv"
)

// gateName begins with the minor version that it holds back (cluster-version-operator,
// pkg/cvo/upgradeable.go, adminAckGateFmt).
var gateName = regexp.MustCompile(`^ack-([45])\.([0-9]+)-[^-]`)

// GateOf gives the minor version that a gate holds back; ok is false for what is no gate.
func GateOf(name string) (m Minor, ok bool) {
	part := gateName.FindStringSubmatch(name)
	if part == nil {
		return m, false
	}
	m.Major, _ = strconv.ParseUint(part[1], 10, 64) // a digit
	var err error
	m.Minor, err = strconv.ParseUint(part[2], 10, 64)
	return m, err == nil
}

// GateSigstore holds back clusters with rules for mirrors until the mirrors have the signatures
// of releases (machine-config-operator #5558, release-4.20, container-runtime-config).
const GateSigstore = "ack-4.20-sigstore-in-4.21"

// RunTimeGate is a gate that no payload has: an operator adds it to a cluster where its
// condition holds.
type RunTimeGate struct {
	Name      string
	When      string   // the condition, after "where"
	Platforms []string // of Infrastructure status.platformStatus.type; nil: any
	Arch      string   // of nodes, as Go writes it; "": any
	// Unmanaged is what of MachineConfiguration spec.managedBootImages must not be there: managers
	// of this resource of machine.openshift.io, or any at all with "*"; "": it is not looked at.
	Unmanaged string
}

// RunTimeGates are those that are known. The sources are release branches of the operators,
// and the documentation's pages about each.
var RunTimeGates = []RunTimeGate{
	// vmware-vsphere-csi-driver-operator; openshift-docs #65546, #65381
	{"ack-4.12-kube-126-vsphere-migration-in-4.14", "volumes of the in-tree vSphere driver are in use and vSphere is older than 7.0 Update 3L or 8.0 Update 2", []string{"VSphere"}, "", ""},
	{"ack-4.13-kube-127-vsphere-migration-in-4.14", "volumes of the in-tree vSphere driver are in use and vSphere is older than 7.0 Update 3L or 8.0 Update 2", []string{"VSphere"}, "", ""},
	// machine-config-operator #5027, pkg/operator/admin_ack.go of release-4.18
	{"ack-4.18-boot-image-opt-out-in-4.19", "the cluster is on AWS or Google Cloud and says nothing of boot images (MachineConfiguration `cluster`, spec.managedBootImages): 4.19 then updates them by itself", []string{"AWS", "GCP"}, "", "*"},
	{"ack-4.18-aarch64-bootloader-4.19", "the cluster has nodes of arm64: their boot images must be updated first", nil, "arm64", ""},
	// cluster-ingress-operator #1196
	{"ack-4.18-gateway-api-management-in-4.19", "the cluster has CustomResourceDefinitions of the Gateway API (gateway.networking.k8s.io): 4.19 manages them itself", nil, "", ""},
	{GateSigstore, "the cluster has rules for mirrors: nodes of 4.21 refuse releases without Sigstore signatures, also from mirrors", nil, "", ""},
	// machine-config-operator, pkg/operator/admin_ack.go of release-4.21
	{"ack-4.21-boot-image-opt-out-in-4.22", "the cluster is on Azure or vSphere and says nothing of boot images of machine sets (MachineConfiguration `cluster`, spec.managedBootImages): 4.22 then updates them by itself", []string{"Azure", "VSphere"}, "", "machinesets"},
}
