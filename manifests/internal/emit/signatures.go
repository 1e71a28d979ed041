package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// signatureLabel makes the cluster version operator look into a ConfigMap of
// openshift-config-managed for signatures (library-go, pkg/verify/store/configmap).
const signatureLabel = "release.openshift.io/verification-signatures"

type signatureConfigMap struct {
	object
	BinaryData map[string][]byte `json:"binaryData"`
}

// emitSignatures writes a ConfigMap for each payload that has signatures, named as
// oc adm release mirror names it.
func (e *emission) emitSignatures() error {
	list := slices.Clone(e.site.Signatures)
	slices.SortFunc(list, func(a, b documents.Signature) int { return strings.Compare(a.Title(), b.Title()) })
	for i := 0; i < len(list); {
		payload := list[i].Payload
		if err := oci.CheckDigest(payload); err != nil {
			return fmt.Errorf("signature of a release: %w", err)
		}
		name := "sha256-" + payload.Encoded()
		cm := signatureConfigMap{
			object:     objectOf("v1", "ConfigMap", name, "openshift-config-managed"),
			BinaryData: map[string][]byte{},
		}
		cm.Metadata.Labels[signatureLabel] = ""
		for ; i < len(list) && list[i].Payload == payload; i++ {
			cm.BinaryData[list[i].Title()] = list[i].Message
		}
		file := "release-signature-" + name + ".yaml"
		if err := e.addObject(file, modePublic, cm); err != nil {
			return err
		}
		e.signed = append(e.signed, signedPayload{payload, file})
	}
	return nil
}

// signedPayload is a payload and the file of its signatures.
type signedPayload struct {
	payload digest.Digest
	file    string
}

// signatureFile is the file that has the signatures of a payload; empty for none.
func (e *emission) signatureFile(payload digest.Digest) string {
	for _, s := range e.signed {
		if s.payload == payload {
			return s.file
		}
	}
	return ""
}

// stepSignatures applies the signatures, also those of payloads that came with an
// earlier bundle.
func (e *emission) stepSignatures(p *page) {
	const checks = "The cluster version operator checks the GPG signature of a release before it updates. "
	if len(e.signed) > 0 {
		p.text(checks + "Apply the signatures first. Nodes: nothing changes.")
		var files []named
		for _, s := range e.signed {
			files = append(files, named{file: s.file})
		}
		p.run("oc apply" + flagged(files))
	}
	var without []string
	for _, img := range e.payloads {
		if e.signatureFile(img.Root.Digest) == "" {
			without = append(without, origin.PayloadName(img))
		}
	}
	if len(without) > 0 {
		p.text(checks+"The bundle has none for %s. The operator gets it from the internet, so update before the cut. After the cut, the signature must be in the cluster before the update: in a ConfigMap in openshift-config-managed with the label `%s`. On a host with internet access, `oc adm release mirror --release-image-signature-to-dir` writes that ConfigMap. `--force` skips this check, and also the other checks that protect a cluster.", text.Some(without, 3), signatureLabel)
	}
}
