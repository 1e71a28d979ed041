package update

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/oci"
)

// signatureLabel makes the cluster version operator look into a ConfigMap of
// openshift-config-managed for signatures (library-go, pkg/verify/store/configmap).
const signatureLabel = "release.openshift.io/verification-signatures"

type signatureConfigMap struct {
	kube.Object
	BinaryData map[string][]byte `json:"binaryData"`
}

// EmitSignatures writes a ConfigMap for each payload that has signatures, named as
// oc adm release mirror names it.
func (w *Way) EmitSignatures() error {
	if w.Hosted() {
		return nil // its version operator starts from the release itself, and verifies none
	}
	list := slices.Clone(w.Site.Signatures)
	slices.SortFunc(list, func(a, b documents.Signature) int { return strings.Compare(a.Title(), b.Title()) })
	for i := 0; i < len(list); {
		payload := list[i].Payload
		if err := oci.CheckDigest(payload); err != nil {
			return fmt.Errorf("signature of a release: %w", err)
		}
		name := "sha256-" + payload.Encoded()
		cm := signatureConfigMap{
			Object:     kube.Ours("v1", "ConfigMap", name, "openshift-config-managed"),
			BinaryData: map[string][]byte{},
		}
		cm.Metadata.Labels[signatureLabel] = ""
		for ; i < len(list) && list[i].Payload == payload; i++ {
			cm.BinaryData[list[i].Title()] = list[i].Message
		}
		file := "release-signature-" + name + ".yaml"
		if err := w.AddObject(file, handover.ModePublic, cm); err != nil {
			return err
		}
		w.signed = append(w.signed, signedPayload{payload, file})
	}
	return nil
}

// signedPayload is a payload and the file of its signatures.
type signedPayload struct {
	payload digest.Digest
	file    string
}

// signatureFile is the file that has the signatures of a payload; empty for none.
func (w *Way) signatureFile(payload digest.Digest) string {
	for _, s := range w.signed {
		if s.payload == payload {
			return s.file
		}
	}
	return ""
}
