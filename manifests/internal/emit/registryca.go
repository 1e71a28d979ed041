package emit

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/rules"
)

// registryCAName is the ConfigMap's name where the cluster has none yet; it is
// the one of the documentation's example.
const registryCAName = "registry-config"

// caState is what the pages need to know of the authorities.
type caState struct {
	written bool
	name    string // of the ConfigMap
	key     string // of the mirror in it
	present bool   // the cluster has the ConfigMap, which was given
	missing bool   // none was given, and nodes may need one
}

// emitCA writes the ConfigMap of registry authorities with the mirror's among
// them, and the patch that makes image.config name it.
func (e *emission) emitCA() error {
	site := e.site
	e.notePlainHTTP()
	if len(site.CA) == 0 {
		e.noteNoCA()
		return nil
	}
	certs, err := e.checkCA()
	if err != nil {
		return err
	}
	present := site.PresentCA
	if img := site.PresentImage; img != nil && img.TrustedCA != "" && (present == nil || present.Name != img.TrustedCA) {
		return &SiteError{
			Field: "PresentCA",
			Msg:   fmt.Sprintf("image.config.openshift.io/cluster names the ConfigMap %s for the registries' authorities, but that was not given; image.config can name only one, so the registries in that ConfigMap would stop working", img.TrustedCA),
			hint:  fmt.Sprintf("save it (oc get configmap %s -n openshift-config -o yaml > %[1]s.yaml) and give that file too", img.TrustedCA),
		}
	}
	if e.ca.key, err = caKey(site.Mirror.Host); err != nil {
		return err
	}
	cm := configMap{object: objectOf("v1", "ConfigMap", registryCAName, "openshift-config"), Data: map[string]string{}}
	e.ca.present = present != nil
	patch := dataPatch{Data: map[string]string{e.ca.key: certs}}
	if present != nil {
		if cm.Metadata.Name = present.Name; present.Name != registryCAName {
			cm.Metadata.Labels = nil // it is somebody else's
		}
		maps.Copy(cm.Data, present.Data)
		cm.BinaryData = maps.Clone(present.BinaryData)
		old, ok := cm.Data[e.ca.key]
		if b64, binary := cm.BinaryData[e.ca.key]; binary {
			// A key cannot be in both (Kubernetes, "ConfigMaps").
			raw, _ := base64.StdEncoding.DecodeString(b64)
			old, ok = string(raw), true
			delete(cm.BinaryData, e.ca.key)
			patch.BinaryData = map[string]*string{e.ca.key: nil}
		}
		if ok && !sameCertificates(old, certs) {
			e.note("the ConfigMap %s has other certificates under %s: the ones that you gave replace them", cm.Metadata.Name, e.ca.key)
		}
		if err := e.addObject(fileCAPatch, modePublic, patch); err != nil {
			return err
		}
	}
	cm.Data[e.ca.key] = certs
	e.ca.written, e.ca.name = true, cm.Metadata.Name
	if err := e.addObject(fileCA, modePublic, cm); err != nil {
		return err
	}
	return e.addObject(fileImagePatch, modePublic, imagePatch{imagePatchSpec{&nameRef{cm.Metadata.Name}}})
}

// noteNoCA says what nodes need if no authorities were given.
func (e *emission) noteNoCA() {
	host := e.site.Mirror.Host
	if host == placeholderHost || len(e.images) == 0 || e.site.PlainHTTP {
		return
	}
	if img := e.site.PresentImage; img != nil && within(e.site.Mirror.String(), img.Sources.Insecure) {
		return
	}
	if key, err := caKey(host); err == nil && e.site.PresentCA != nil && (e.site.PresentCA.Data[key] != "" || e.site.PresentCA.BinaryData[key] != "") {
		return
	}
	e.ca.missing = true
	if e.site.Unchecked {
		e.note("no certificate authority was given, and %s was not asked: nodes must trust its certificate already, or, if it speaks plain HTTP, image.config must have it in insecureRegistries; %s shows how to find out, and satchel render --ca-file writes the authority", host, fileApply)
		return
	}
	e.note("no certificate authority was given: nodes must trust the certificate of %s already; if they do not, run satchel render again with --ca-file", host)
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
	name := fmt.Sprintf("certificate %d of the mirror's CA file (%s)", n, markdown(cert.Subject.String()))
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

func (e *emission) stepCA(p *page) {
	if e.ca.missing {
		e.stepNoCA(p)
	}
	if !e.ca.written {
		return
	}
	p.step("The mirror's certificate authorities")
	const trusted = "oc get image.config.openshift.io/cluster -o jsonpath='{.spec.additionalTrustedCA.name}{\"\\n\"}'"
	const again = "If a ConfigMap is named, run satchel render again with that as `--present-registry-ca`. Otherwise the registries in it stop working."
	switch {
	case !e.ca.present:
		var checks []string
		if e.site.PresentImage == nil {
			checks = append(checks, trusted)
		}
		checks = append(checks, "oc get configmap "+e.ca.name+" -n openshift-config --ignore-not-found -o name")
		p.text("image.config can name only one ConfigMap of certificate authorities. The following must print nothing. %s", again)
		p.run(checks...)
	case e.site.PresentImage == nil:
		p.text("image.config can name only one ConfigMap of certificate authorities. The following must print nothing or `%s`. %s", e.ca.name, strings.Replace(again, "a ConfigMap", "another ConfigMap", 1))
		p.run(trusted)
	}
	change := "oc apply -f " + fileCA
	p.text("The ConfigMap %s gets them under the key `%s`, and image.config names the ConfigMap. Nodes: no drain, no reboot. The certificates are in /etc/docker/certs.d of every node within minutes.", e.ca.name, e.ca.key)
	if e.ca.present {
		change = "oc patch configmap -n openshift-config " + e.ca.name + " --type=merge --patch-file " + fileCAPatch
		p.text("The patch does not change any other registry. %s is the whole ConfigMap, for GitOps.", fileCA)
	}
	p.run(change, "oc patch image.config.openshift.io/cluster --type=merge --patch-file "+fileImagePatch)
}

// stepNoCA shows how to find out whether nodes need authorities that were not given.
func (e *emission) stepNoCA(p *page) {
	p.step("The mirror's certificate authorities: not written")
	p.text("No certificate authority was given, so nodes must trust the mirror's certificate already. The following asks the mirror from a node. If it prints a number, such as 200 or 401, continue with the next step. If it reports a problem with the certificate, run satchel render again with the authority that signed it (`--ca-file`), and with all other flags as before. Then start again at step 1 of the new %s.", fileApply)
	p.run(
		"NODE=$(oc get nodes -o jsonpath='{.items[0].metadata.name}')",
		"oc debug node/$NODE -- chroot /host curl -sS -o /dev/null -w '%{http_code}\\n' https://"+shell(e.site.Mirror.Host)+"/v2/",
	)
	if e.site.Unchecked {
		p.text("If it reports a wrong version number or another error of TLS that is not about the certificate, ask by plain HTTP. If that prints a number, the mirror has no TLS: add `%s` to spec.registrySources.insecureRegistries of image.config (`oc edit image.config.openshift.io/cluster`) and change nothing else there. This drains every node, and nodes must have it before the next step.", e.site.Mirror.Host)
		p.run("oc debug node/$NODE -- chroot /host curl -sS -o /dev/null -w '%{http_code}\\n' http://" + shell(e.site.Mirror.Host) + "/v2/")
	}
}

// trustedBefore is the ConfigMap that image.config named before; empty for none.
func (e *emission) trustedBefore() (name string, known bool) {
	switch {
	case e.site.PresentImage != nil:
		return e.site.PresentImage.TrustedCA, true
	case e.site.PresentCA != nil:
		return e.site.PresentCA.Name, true
	}
	return "", false
}

func (e *emission) restoreCA(p *page) {
	if !e.ca.written {
		return
	}
	p.step("The mirror's certificate authorities: only if the mirror goes away")
	p.text("They do no harm. Remove them only when nothing in the cluster uses the mirror any more. The following must print nothing:")
	p.run(
		"oc get clusterversion version -o jsonpath='{.status.desired.image}{\"\\n\"}' | grep -F '"+e.site.Mirror.Host+"/'",
		"oc get pods -A -o jsonpath='{..image}' | tr ' ' '\\n' | grep -F '"+e.site.Mirror.Host+"/' | sort -u",
	)
	if _, known := e.trustedBefore(); known {
		p.text("This changes image.config back to what it was:")
		p.run("oc patch image.config.openshift.io/cluster --type=merge --patch-file " + fileImageRestore)
	} else {
		p.text("Run this only if %s names no ConfigMap (additionalTrustedCA). If it names one, run satchel render again with that one as `--present-registry-ca`; the new page has commands that keep it.", beforeImage)
		p.run("oc patch image.config.openshift.io/cluster --type=merge -p '{\"spec\":{\"additionalTrustedCA\":null}}'")
	}
	if !e.ca.present {
		p.text("This deletes the ConfigMap:")
		p.run("oc delete configmap -n openshift-config --ignore-not-found " + e.ca.name)
		return
	}
	p.text("The ConfigMap may have other registries too. This removes only the mirror:")
	p.run(fmt.Sprintf("oc patch configmap -n openshift-config %s --type=json -p '[{\"op\":\"remove\",\"path\":\"/data/%s\"}]'", e.ca.name, e.ca.key))
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
