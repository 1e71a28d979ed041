package trust

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

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/manifests/internal/rules"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// RegistryCAName is the ConfigMap's name where the cluster has none yet; it is
// the one of the documentation's example.
const RegistryCAName = "registry-config"

// Trust is what the pages need to know of the authorities.
type Trust struct {
	*handover.Handover
	CA caState
}

type caState struct {
	Written  bool
	Name     string   // of the ConfigMap
	Keys     []string // of the hosts that nodes pull from, in it
	Certs    string   // what each of them has, in PEM
	replaced []string // of these, those under which the cluster has other certificates
	present  bool     // the cluster has the ConfigMap, and its content was given
	missing  bool     // none was given, and nodes may need one
	held     bool     // the cluster has the mirror's, or gets them
	Same     bool     // the cluster is known to have all of it
}

// EmitCA writes the ConfigMap of registry authorities with the mirror's among
// them, the patch that adds only these, and the one that makes image.config name the ConfigMap.
func (t *Trust) EmitCA() error {
	t.notePlainHTTP()
	present, img := t.Site.PresentCA, t.Site.PresentImage
	t.CA.Name = RegistryCAName
	if img != nil {
		t.CA.Name = cmp.Or(img.TrustedCA, RegistryCAName)
	}
	var noKey error
	if t.CA.Keys, noKey = t.caKeys(); len(t.Site.CA) == 0 {
		t.CA.held = t.keyHeld()
		t.noteNoCA()
		return nil
	}
	certs, err := t.CheckCA()
	if err = cmp.Or(err, noKey); err != nil {
		return err
	}
	if img != nil && img.TrustedCA != "" && present != nil && present.Name != img.TrustedCA {
		return &site.SiteError{
			Field:  "PresentCA",
			Msg:    fmt.Sprintf("image.config.openshift.io/cluster names the ConfigMap %s for the registries' authorities, but %s was given; image.config can name only one, so the registries in the other would stop working", img.TrustedCA, present.Name),
			Advice: fmt.Sprintf("save it (oc get configmap %s -n openshift-config -o yaml > %[1]s.yaml) and give that file", img.TrustedCA),
		}
	}
	t.CA.Written, t.CA.held, t.CA.Certs = true, true, certs
	if t.Hosted() {
		t.CA.Same = t.hostedTrusts(certs)
		return nil
	}
	patch := kube.DataPatch{Data: map[string]string{}}
	for _, key := range t.CA.Keys {
		patch.Data[key] = certs
	}
	if present != nil || img == nil || img.TrustedCA == "" { // else it has content that is not known
		if err := t.AddObject(handover.FileCA, handover.ModePublic, t.wholeCA(&patch)); err != nil {
			return err
		}
	}
	t.CA.Same = t.CA.Same && img != nil && img.TrustedCA == t.CA.Name
	if err := t.AddObject(handover.FileCAPatch, handover.ModePublic, patch); err != nil {
		return err
	}
	if img != nil && img.TrustedCA == t.CA.Name {
		return nil // it names the ConfigMap already
	}
	return t.AddObject(handover.FileImagePatch, handover.ModePublic, kube.ImagePatch{Spec: kube.ImagePatchSpec{AdditionalTrustedCA: &kube.NameRef{Name: t.CA.Name}}})
}

// keyHeld reports whether the cluster has authorities of an address of the mirror.
func (t *Trust) keyHeld() bool {
	ca := t.Site.PresentCA
	return ca != nil && slices.ContainsFunc(t.CA.Keys, func(key string) bool { return ca.Data[key] != "" || ca.BinaryData[key] != "" })
}

// wholeCA is the ConfigMap with everything that it has. The patch also takes keys away that
// would be there twice.
func (t *Trust) wholeCA(patch *kube.DataPatch) kube.ConfigMap {
	cm := kube.ConfigMap{Object: kube.Ours("v1", "ConfigMap", RegistryCAName, "openshift-config"), Data: map[string]string{}}
	present := t.Site.PresentCA
	if present == nil {
		maps.Copy(cm.Data, patch.Data)
		return cm
	}
	t.CA.present, t.CA.Same, t.CA.Name = true, true, present.Name
	if cm.Metadata.Name = present.Name; !t.OwnCA() {
		cm.Metadata.Labels = nil
	}
	maps.Copy(cm.Data, present.Data)
	cm.BinaryData = maps.Clone(present.BinaryData)
	for _, key := range t.CA.Keys {
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
		if !ok || !SameCertificates(old, patch.Data[key]) {
			t.CA.Same = false
		}
		if ok && !SameCertificates(old, patch.Data[key]) {
			t.CA.replaced = append(t.CA.replaced, key)
			t.Note("the ConfigMap %s has other certificates under %s: the ones that you gave replace them", cm.Metadata.Name, key)
		}
		cm.Data[key] = patch.Data[key]
	}
	return cm
}

// caKeys are the keys of the hosts that nodes pull from, and of the update service.
func (t *Trust) caKeys() (keys []string, err error) {
	for _, host := range t.Hosts() {
		key, err := CAKey(host)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(t.Graph) > 0 || slices.ContainsFunc(t.Site.Cluster.Of("UpdateService"), handover.Ours) {
		keys = append(keys, handover.UpdateServiceKey)
	}
	return keys, nil
}

// noteNoCA says what nodes need if no authorities were given.
func (t *Trust) noteNoCA() {
	host := text.And(t.Hosts())
	if host == handover.PlaceholderHost || len(t.Images) == 0 || t.Site.PlainHTTP {
		return
	}
	if !slices.ContainsFunc(t.Mirrors(), t.untrusted) {
		return
	}
	t.CA.missing = true
	if t.Site.Unchecked {
		t.Note("no certificate authority was given, and %s was not asked: nodes must trust its certificate already, or, if it speaks plain HTTP, image.config must have it in insecureRegistries; %s shows how to find out, and satchel render --ca-file writes the authority", host, handover.FileApply)
		return
	}
	t.Note("no certificate authority was given: nodes must trust the certificate of %s already; if they do not, run satchel render again with --ca-file", host)
}

// untrusted reports whether nothing that is known makes nodes trust an address of the mirror.
func (t *Trust) untrusted(m oci.Mirror) bool {
	if img := t.Site.PresentImage; img != nil && handover.Within(m.String(), img.Sources.Insecure) {
		return false
	}
	key, err := CAKey(m.Host)
	ca := t.Site.PresentCA
	return err != nil || ca == nil || ca.Data[key] == "" && ca.BinaryData[key] == ""
}

// CAKey is a registry's key in the ConfigMap: a key cannot have a colon, so two
// dots come before the port (image.config's additionalTrustedCA).
func CAKey(host string) (string, error) {
	if strings.HasPrefix(host, "[") {
		return "", &site.SiteError{Field: "Mirror", Msg: fmt.Sprintf("no ConfigMap can hold the authorities of %s: an IPv6 address cannot be a key of it", host), Advice: "use a DNS name for the mirror"}
	}
	return strings.Replace(host, ":", "..", 1), nil
}

// CheckCA checks that every PEM block is a certificate, and gives only the blocks.
func (t *Trust) CheckCA() (string, error) {
	var out bytes.Buffer
	rest := t.Site.CA
	for n := 1; ; n++ {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return "", &site.SiteError{Field: "CA", Msg: fmt.Sprintf("the mirror's CA file: PEM block %d is not a certificate; only certificates may go to the cluster", n), Advice: "give a file with only the CERTIFICATE blocks"}
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", &site.SiteError{Field: "CA", Msg: fmt.Sprintf("the mirror's CA file: PEM block %d is not a certificate: %v", n, err)}
		}
		t.noteCertificate(n, cert)
		block.Headers = nil
		if err := pem.Encode(&out, block); err != nil {
			return "", fmt.Errorf("the mirror's CA file: PEM block %d: %w", n, err)
		}
	}
	switch {
	case out.Len() == 0:
		return "", &site.SiteError{Field: "CA", Msg: "the mirror's CA file has no certificate in PEM", Advice: "if the file is DER, convert it: openssl x509 -inform der -in FILE -out ca.pem"}
	case bytes.Contains(rest, []byte("-----BEGIN")):
		return "", &site.SiteError{Field: "CA", Msg: "the mirror's CA file has a PEM block that is cut off or damaged"}
	}
	if out.Len() > rules.MaxBytes {
		return "", &site.SiteError{
			Field:  "CA",
			Msg:    fmt.Sprintf("the mirror's CA file has %d bytes of certificates; a ConfigMap for nodes holds at most %d", out.Len(), rules.MaxBytes),
			Advice: "give only the authority that signed the mirror's certificate, not every authority that a system trusts",
		}
	}
	return out.String(), nil
}

func (t *Trust) noteCertificate(n int, cert *x509.Certificate) {
	name := fmt.Sprintf("certificate %d of the mirror's CA file (%s)", n, page.Markdown(cert.Subject.String()))
	now := t.Site.Now
	switch {
	case now.IsZero():
	case now.After(cert.NotAfter):
		t.Note("%s expired on %s: nodes that need it refuse the mirror", name, cert.NotAfter.UTC().Format("2006-01-02"))
	case now.Before(cert.NotBefore):
		t.Note("%s is not valid before %s", name, cert.NotBefore.UTC().Format("2006-01-02"))
	}
	if cert.BasicConstraintsValid && !cert.IsCA {
		t.Note("%s is not a certificate authority: nodes trust the mirror only while the mirror uses exactly this certificate", name)
	}
}

// SameCertificates reports whether two texts hold the same certificates in the
// Same order; text around them does not count.
func SameCertificates(a, b string) bool {
	return bytes.Equal(certificates(a), certificates(b))
}

func certificates(s string) []byte {
	var all []byte
	for block, rest := pem.Decode([]byte(s)); block != nil; block, rest = pem.Decode(rest) {
		all = append(all, block.Bytes...)
	}
	return all
}

// StepCA adds the mirror's certificate authorities to those of the cluster.
func (t *Trust) StepCA(p *page.Page) {
	if t.CA.missing {
		t.stepNoCA(p)
	}
	if t.Hosted() { // they are its HostedCluster's
		return
	}
	if t.CA.Same {
		p.Nothing(handover.IdleCA)
	}
	if !t.CA.Written || t.CA.Same {
		return
	}
	p.Step("The mirror's certificate authorities")
	p.Text("image.config names one ConfigMap of certificate authorities. It gets the mirror's under %s; the commands change no other key of it. Nodes: no drain, no reboot. The certificates are in /etc/docker/certs.d of every node within minutes.", keysText(t.CA.Keys))
	exists := "FOUND=$(oc get configmap %s -n openshift-config --ignore-not-found -o name) && " + page.Or(`[ -n "$FOUND" ]`, "oc create -f "+handover.FileCA)
	patch := "oc patch configmap %s -n openshift-config --type=merge --patch-file " + handover.FileCAPatch
	image := "oc patch image.config.openshift.io/cluster --type=merge --patch-file " + handover.FileImagePatch
	switch img := t.Site.PresentImage; {
	case img == nil:
		p.Text("CA is the ConfigMap that image.config names now. Only if it names none, %s is created, and named. If others had put authorities of their own under the mirror's key before satchel, the patch replaces them; the commands first keep those in the ConfigMap %s, for the way back.", t.CA.Name, handover.BeforeName)
		name := fmt.Sprintf(`"${CA:-%s}"`, t.CA.Name)
		p.Run(handover.WithKeep(page.Chain(slices.Concat(
			[]string{"CA=$(oc get image.config.openshift.io/cluster -o jsonpath='{.spec.additionalTrustedCA.name}')", fmt.Sprintf(exists, name)},
			t.keepUnknown(name), []string{fmt.Sprintf(patch, name), page.Or(`[ -n "$CA" ]`, image)},
		)...)...)...)
	case img.TrustedCA == "":
		p.Run(page.Chain(fmt.Sprintf(exists, t.CA.Name), fmt.Sprintf(patch, t.CA.Name), image)...)
	default:
		t.keepReplaced(p, fmt.Sprintf(patch, t.CA.Name))
	}
	if t.CA.present {
		p.Text("%s is the whole ConfigMap, as it is then.", handover.FileCA)
	}
}

// keepReplaced runs the patch, and keeps before it what others had under the mirror's keys. What the
// cluster did not have before satchel is satchel's own, of an earlier week.
func (t *Trust) keepReplaced(p *page.Page, patch string) {
	before, known := t.Before.Get(handover.KeyTrustedKeys)
	var keep, keys []string
	for _, key := range t.CA.replaced {
		if !known || slices.Contains(strings.Fields(before), key) { // the first copy counts
			keys = append(keys, key)
			keep = append(keep, "keep "+handover.KeyTrusted+key+" oc extract configmap/"+t.CA.Name+" -n openshift-config --keys="+key+" --to=-")
		}
	}
	if len(keys) == 0 {
		p.Run(patch)
		return
	}
	whose := "Others have put another authority under " + keysText(keys) + "."
	if !known {
		whose = "The cluster has another authority under " + keysText(keys) + ": of others, or satchel's of an earlier week."
	}
	p.Text("**%s** The patch replaces it; the commands first keep it in the ConfigMap %s, for the way back.", whose, handover.BeforeName)
	p.Run(handover.WithKeep(page.Chain(append(keep, patch)...)...)...)
}

// keepUnknown are the lines of a chain that keep what others had under the mirror's keys, where
// satchel was given nothing of the cluster.
func (t *Trust) keepUnknown(name string) []string {
	lines := []string{"KEYS=$(oc get configmap " + handover.BeforeName + " -n openshift-config --ignore-not-found -o jsonpath='{.data." + handover.KeyTrustedKeys + "}')"}
	for _, key := range t.CA.Keys {
		read := "oc extract configmap/" + name + " -n openshift-config --keys=" + key + " --to=-"
		lines = append(lines, `case " $KEYS " in *" `+key+` "*) HAS=$(`+read+`) && `+page.Or(`[ -z "$HAS" ]`, "keep "+handover.KeyTrusted+key+" "+read)+" ;; esac")
	}
	return lines
}

// keysText names keys in a sentence.
func keysText(keys []string) string {
	if len(keys) == 1 {
		return "the key " + page.Code(keys)
	}
	return "the keys " + page.Code(keys)
}

// stepNoCA shows how to find out whether nodes need authorities that were not given.
func (t *Trust) stepNoCA(p *page.Page) {
	p.Step("The mirror's certificate authorities: not written")
	p.Text("No certificate authority was given, so nodes must trust the mirror's certificate already. The following pulls an image from the mirror on a node. If that works, or if the error is about a credential or about an image that is not there, continue with the next step. If it reports a problem with the certificate (x509), run satchel render again with the authority that signed it (`--ca-file`), and with all other flags as before. Then start again at step 1 of the new %s.", handover.FileApply)
	node := "NODE=$(" + handover.ReadyNodes() + " | head -n 1)"
	on := "oc debug -q node/\"$NODE\" -- chroot /host "
	pull, ask := []string{node}, []string{node}
	for _, place := range t.Places(t.Images[0]) { // curl would not read /etc/docker/certs.d
		pull = append(pull, on+"crictl pull "+page.Shell(place))
	}
	for _, host := range t.Hosts() {
		ask = append(ask, on+"curl -sS -o /dev/null -w '%{http_code}\\n' http://"+page.Shell(host)+"/v2/")
	}
	p.Run(pull...)
	if t.Site.Unchecked {
		where := "spec.registrySources.insecureRegistries of image.config (`oc edit image.config.openshift.io/cluster`)"
		if t.Hosted() {
			where = "spec.configuration.image.registrySources.insecureRegistries of the HostedCluster, on the management cluster,"
		}
		p.Text("If it reports a wrong version number or another error of TLS that is not about the certificate, ask by plain HTTP. If that prints a number, the mirror has no TLS: add `%s` to %s and change nothing else there. This drains every node, and nodes must have it before the next step.", t.Mirrors()[0].Host, where)
		p.Run(ask...)
	}
}
