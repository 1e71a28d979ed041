package emit

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// registryCAName is the ConfigMap's name where the cluster has none yet; it is
// the one of the documentation's example.
const registryCAName = "registry-config"

// updateServiceKey is the key under which the update service looks for the authorities of the
// registry that it reads (cincinnati-operator, updateservice_controller.go).
const updateServiceKey = "updateservice-registry"

// caState is what the pages need to know of the authorities.
type caState struct {
	written bool
	name    string   // of the ConfigMap
	keys    []string // of the hosts that nodes pull from, in it
	certs   string   // what each of them has, in PEM
	present bool     // the cluster has the ConfigMap, and its content was given
	missing bool     // none was given, and nodes may need one
	held    bool     // the cluster has the mirror's, or gets them
	same    bool     // the cluster is known to have all of it
}

// emitCA writes the ConfigMap of registry authorities with the mirror's among
// them, the patch that adds only these, and the one that makes image.config name the ConfigMap.
func (e *emission) emitCA() error {
	e.notePlainHTTP()
	present, img := e.site.PresentCA, e.site.PresentImage
	e.ca.name = registryCAName
	if img != nil {
		e.ca.name = cmp.Or(img.TrustedCA, registryCAName)
	}
	var noKey error
	if e.ca.keys, noKey = e.caKeys(); len(e.site.CA) == 0 {
		e.ca.held = e.keyHeld()
		e.noteNoCA()
		return nil
	}
	certs, err := e.checkCA()
	if err = cmp.Or(err, noKey); err != nil {
		return err
	}
	if img != nil && img.TrustedCA != "" && present != nil && present.Name != img.TrustedCA {
		return &SiteError{
			Field: "PresentCA",
			Msg:   fmt.Sprintf("image.config.openshift.io/cluster names the ConfigMap %s for the registries' authorities, but %s was given; image.config can name only one, so the registries in the other would stop working", img.TrustedCA, present.Name),
			hint:  fmt.Sprintf("save it (oc get configmap %s -n openshift-config -o yaml > %[1]s.yaml) and give that file", img.TrustedCA),
		}
	}
	e.ca.written, e.ca.held, e.ca.certs = true, true, certs
	if e.hosted() {
		e.ca.same = e.hostedTrusts(certs)
		return nil
	}
	patch := kube.DataPatch{Data: map[string]string{}}
	for _, key := range e.ca.keys {
		patch.Data[key] = certs
	}
	if present != nil || img == nil || img.TrustedCA == "" { // else it has content that is not known
		if err := e.addObject(fileCA, modePublic, e.wholeCA(&patch)); err != nil {
			return err
		}
	}
	e.ca.same = e.ca.same && img != nil && img.TrustedCA == e.ca.name
	if err := e.addObject(fileCAPatch, modePublic, patch); err != nil {
		return err
	}
	if img != nil && img.TrustedCA == e.ca.name {
		return nil // it names the ConfigMap already
	}
	return e.addObject(fileImagePatch, modePublic, kube.ImagePatch{Spec: kube.ImagePatchSpec{AdditionalTrustedCA: &kube.NameRef{Name: e.ca.name}}})
}

// keyHeld reports whether the cluster has authorities of an address of the mirror.
func (e *emission) keyHeld() bool {
	ca := e.site.PresentCA
	return ca != nil && slices.ContainsFunc(e.ca.keys, func(key string) bool { return ca.Data[key] != "" || ca.BinaryData[key] != "" })
}

// wholeCA is the ConfigMap with everything that it has. The patch also takes keys away that
// would be there twice.
func (e *emission) wholeCA(patch *kube.DataPatch) kube.ConfigMap {
	cm := kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", registryCAName, "openshift-config"), Data: map[string]string{}}
	present := e.site.PresentCA
	if present == nil {
		maps.Copy(cm.Data, patch.Data)
		return cm
	}
	e.ca.present, e.ca.same, e.ca.name = true, true, present.Name
	if cm.Metadata.Name = present.Name; !e.ownCA() {
		cm.Metadata.Labels = nil
	}
	maps.Copy(cm.Data, present.Data)
	cm.BinaryData = maps.Clone(present.BinaryData)
	for _, key := range e.ca.keys {
		old, ok := cm.Data[key]
		if b64, binary := cm.BinaryData[key]; binary {
			// A key cannot be in both (Kubernetes, "ConfigMaps").
			raw, _ := base64.StdEncoding.DecodeString(b64)
			old, ok = string(raw), true
			delete(cm.BinaryData, key)
			if patch.BinaryData == nil {
				patch.BinaryData = map[string]*string{}
			}
			patch.BinaryData[key] = nil
		}
		if !ok || !sameCertificates(old, patch.Data[key]) {
			e.ca.same = false
		}
		if ok && !sameCertificates(old, patch.Data[key]) {
			e.note("the ConfigMap %s has other certificates under %s: the ones that you gave replace them", cm.Metadata.Name, key)
		}
		cm.Data[key] = patch.Data[key]
	}
	return cm
}

// caKeys are the keys of the hosts that nodes pull from, and of the update service.
func (e *emission) caKeys() (keys []string, err error) {
	for _, host := range e.hosts() {
		key, err := caKey(host)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(e.graph) > 0 || slices.ContainsFunc(e.site.Cluster.Of("UpdateService"), ours) {
		keys = append(keys, updateServiceKey)
	}
	return keys, nil
}

// noteNoCA says what nodes need if no authorities were given.
func (e *emission) noteNoCA() {
	host := text.And(e.hosts())
	if host == placeholderHost || len(e.images) == 0 || e.site.PlainHTTP {
		return
	}
	if !slices.ContainsFunc(e.mirrors(), e.untrusted) {
		return
	}
	e.ca.missing = true
	if e.site.Unchecked {
		e.note("no certificate authority was given, and %s was not asked: nodes must trust its certificate already, or, if it speaks plain HTTP, image.config must have it in insecureRegistries; %s shows how to find out, and satchel render --ca-file writes the authority", host, fileApply)
		return
	}
	e.note("no certificate authority was given: nodes must trust the certificate of %s already; if they do not, run satchel render again with --ca-file", host)
}

// untrusted reports whether nothing that is known makes nodes trust an address of the mirror.
func (e *emission) untrusted(m oci.Mirror) bool {
	if img := e.site.PresentImage; img != nil && within(m.String(), img.Sources.Insecure) {
		return false
	}
	key, err := caKey(m.Host)
	ca := e.site.PresentCA
	return err != nil || ca == nil || ca.Data[key] == "" && ca.BinaryData[key] == ""
}

// caKey is a registry's key in the ConfigMap: a key cannot have a colon, so two
// dots come before the port (image.config's additionalTrustedCA).
func caKey(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		return "", &SiteError{Field: "Mirror", Msg: fmt.Sprintf("no ConfigMap can hold the authorities of %s: an IPv6 address cannot be a key of it", host), hint: "use a DNS name for the mirror"}
	}
	return strings.Replace(host, ":", "..", 1), nil
}

// checkCA checks that every PEM block is a certificate, and gives only the blocks.
func (e *emission) checkCA() (string, error) {
	var out bytes.Buffer
	rest := e.site.CA
	for n := 1; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "", &SiteError{Field: "CA", Msg: fmt.Sprintf("the mirror's CA file: PEM block %d is not a certificate; only certificates may go to the cluster", n), hint: "give a file with only the CERTIFICATE blocks"}
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", &SiteError{Field: "CA", Msg: fmt.Sprintf("the mirror's CA file: PEM block %d is not a certificate: %v", n, err)}
		}
		e.noteCertificate(n, cert)
		block.Headers = nil
		if err := pem.Encode(&out, block); err != nil {
			return "", fmt.Errorf("the mirror's CA file: PEM block %d: %w", n, err)
		}
	}
	switch {
	case out.Len() == 0:
		return "", &SiteError{Field: "CA", Msg: "the mirror's CA file has no certificate in PEM", hint: "if the file is DER, convert it: openssl x509 -inform der -in FILE -out ca.pem"}
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return "", &SiteError{Field: "CA", Msg: "the mirror's CA file has a PEM block that is cut off or damaged"}
	}
	if out.Len() > rules.MaxBytes {
		return "", &SiteError{
			Field: "CA",
			Msg:   fmt.Sprintf("the mirror's CA file has %d bytes of certificates; a ConfigMap for nodes holds at most %d", out.Len(), rules.MaxBytes),
			hint:  "give only the authority that signed the mirror's certificate, not every authority that a system trusts",
		}
	}
	return out.String(), nil
}

func (e *emission) noteCertificate(n int, cert *x509.Certificate) {
	name := fmt.Sprintf("certificate %d of the mirror's CA file (%s)", n, page.Markdown(cert.Subject.String()))
	now := e.site.Now
	switch {
	case now.IsZero():
	case now.After(cert.NotAfter):
		e.note("%s expired on %s: nodes that need it refuse the mirror", name, cert.NotAfter.UTC().Format("2006-01-02"))
	case now.Before(cert.NotBefore):
		e.note("%s is not valid before %s", name, cert.NotBefore.UTC().Format("2006-01-02"))
	}
	if cert.BasicConstraintsValid && !cert.IsCA {
		e.note("%s is not a certificate authority: nodes trust the mirror only while the mirror uses exactly this certificate", name)
	}
}

// sameCertificates reports whether two texts hold the same certificates in the
// same order; text around them does not count.
func sameCertificates(a, b string) bool {
	return bytes.Equal(certificates(a), certificates(b))
}

func certificates(s string) []byte {
	var all []byte
	for block, rest := pem.Decode([]byte(s)); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, block.Bytes...)
	}
	return all
}

func (e *emission) stepCA(p *page.Page) {
	if e.ca.missing {
		e.stepNoCA(p)
	}
	if e.hosted() { // they are its HostedCluster's
		return
	}
	if e.ca.same {
		p.Nothing(idleCA)
	}
	if !e.ca.written || e.ca.same {
		return
	}
	p.Step("The mirror's certificate authorities")
	p.Text("image.config names one ConfigMap of certificate authorities. It gets the mirror's under %s; the commands change no other key of it. Nodes: no drain, no reboot. The certificates are in /etc/docker/certs.d of every node within minutes.", keysText(e.ca.keys))
	exists := "FOUND=$(oc get configmap %s -n openshift-config --ignore-not-found -o name) && " + page.Or(`[ -n "$FOUND" ]`, "oc create -f "+fileCA)
	patch := "oc patch configmap %s -n openshift-config --type=merge --patch-file " + fileCAPatch
	image := "oc patch image.config.openshift.io/cluster --type=merge --patch-file " + fileImagePatch
	switch img := e.site.PresentImage; {
	case img == nil:
		p.Text("CA is the ConfigMap that image.config names now. Only if it names none, %s is created, and named.", e.ca.name)
		name := fmt.Sprintf(`"${CA:-%s}"`, e.ca.name)
		p.Run(page.Chain(
			"CA=$(oc get image.config.openshift.io/cluster -o jsonpath='{.spec.additionalTrustedCA.name}')",
			fmt.Sprintf(exists, name), fmt.Sprintf(patch, name), page.Or(`[ -n "$CA" ]`, image),
		)...)
	case img.TrustedCA == "":
		p.Run(page.Chain(fmt.Sprintf(exists, e.ca.name), fmt.Sprintf(patch, e.ca.name), image)...)
	default:
		p.Run(fmt.Sprintf(patch, e.ca.name))
	}
	if e.ca.present {
		p.Text("%s is the whole ConfigMap, as it is then.", fileCA)
	}
}

// keysText names keys in a sentence.
func keysText(keys []string) string {
	if len(keys) == 1 {
		return "the key " + page.Code(keys)
	}
	return "the keys " + page.Code(keys)
}

// stepNoCA shows how to find out whether nodes need authorities that were not given.
func (e *emission) stepNoCA(p *page.Page) {
	p.Step("The mirror's certificate authorities: not written")
	p.Text("No certificate authority was given, so nodes must trust the mirror's certificate already. The following pulls an image from the mirror on a node. If that works, or if the error is about a credential or about an image that is not there, continue with the next step. If it reports a problem with the certificate (x509), run satchel render again with the authority that signed it (`--ca-file`), and with all other flags as before. Then start again at step 1 of the new %s.", fileApply)
	node := "NODE=$(" + readyNodes() + " | head -n 1)"
	on := "oc debug -q node/\"$NODE\" -- chroot /host "
	pull, ask := []string{node}, []string{node}
	for _, place := range e.places(e.images[0]) { // curl would not read /etc/docker/certs.d
		pull = append(pull, on+"crictl pull "+page.Shell(place))
	}
	for _, host := range e.hosts() {
		ask = append(ask, on+"curl -sS -o /dev/null -w '%{http_code}\\n' http://"+page.Shell(host)+"/v2/")
	}
	p.Run(pull...)
	if e.site.Unchecked {
		where := "spec.registrySources.insecureRegistries of image.config (`oc edit image.config.openshift.io/cluster`)"
		if e.hosted() {
			where = "spec.configuration.image.registrySources.insecureRegistries of the HostedCluster, on the management cluster,"
		}
		p.Text("If it reports a wrong version number or another error of TLS that is not about the certificate, ask by plain HTTP. If that prints a number, the mirror has no TLS: add `%s` to %s and change nothing else there. This drains every node, and nodes must have it before the next step.", e.mirrors()[0].Host, where)
		p.Run(ask...)
	}
}

// RegistryCA is a ConfigMap of registry authorities, as image.config names one.
type RegistryCA struct {
	Name       string
	Data       map[string]string // HOST or HOST..PORT -> PEM
	BinaryData map[string]string // the same in base64; rare
}

// ParseRegistryCA reads a ConfigMap of registry authorities, as
// "oc get configmap NAME -n openshift-config -o yaml" (or json) prints it. Errors
// are *[imageset.ConfigError]s.
func ParseRegistryCA(file string, data []byte) (*RegistryCA, error) {
	var in struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	p, err := peek(file, data, &in)
	if err != nil {
		return nil, err
	}
	switch {
	case in.Kind != "ConfigMap":
		p.Add("kind", "this is not a ConfigMap; the registries' authorities are in one")
	case len(in.Metadata.Name) > 253 || !namePattern.MatchString(in.Metadata.Name):
		p.Add("metadata.name", "metadata.name is missing or is not the name of a ConfigMap")
	case in.Metadata.Namespace != "" && in.Metadata.Namespace != "openshift-config":
		p.Add("metadata.namespace", "image.config takes its ConfigMap from the namespace openshift-config; this one is from another namespace")
	}
	ca := &RegistryCA{Name: in.Metadata.Name, Data: texts(p, data, "data"), BinaryData: texts(p, data, "binaryData")}
	if err := p.Join(); err != nil {
		return nil, err
	}
	return ca, nil
}
