package emit

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/operatorhub"
)

// singletons are the cluster's own objects with the fields alone that satchel sets, for
// server-side apply. What depends on fields that are not known is left out: an object that names
// other authorities, or another noProxy, would lose them.
func (e *emission) singletons() (list []desired) {
	list = append(list, e.imageFields()...)
	list = append(list, e.proxyFields()...)
	if !e.Hosted() && (e.hub.SwitchesHub() || e.hubIsOff()) { // where they run, a hosted cluster may refuse it
		list = append(list, e.fields("config.openshift.io/v1", "OperatorHub", "cluster", e.hub.HubOff()))
	}
	if e.Has(operatorhub.FileCatalogsOff) || slices.ContainsFunc(e.Site.Cluster.Of("ClusterCatalog"), handover.Ours) {
		for _, o := range e.Site.Cluster.Of("ClusterCatalog") {
			if operatorhub.IsDefaultClusterCatalog(o.Name) {
				list = append(list, e.fields("olm.operatorframework.io/v1", o.Kind, o.Name, operatorhub.AvailabilityOf("Unavailable")))
			}
		}
	}
	if e.hub.SwitchesHub() || e.hubIsOff() {
		for _, o := range e.Site.Cluster.Of("HelmChartRepository") {
			if isDefaultHelm(o) {
				list = append(list, e.fields("helm.openshift.io/v1beta1", o.Kind, o.Name, map[string]any{"spec": map[string]any{"disabled": true}}))
			}
		}
	}
	if upstream, _, known := e.way.UpdatesFrom(); known && e.way.AsksUpdateService() && !e.Hosted() {
		list = append(list, e.fields("config.openshift.io/v1", "ClusterVersion", "version", map[string]any{"spec": map[string]any{"upstream": upstream}}))
	}
	return list
}

// fields is an object of the cluster with some of its fields.
func (e *emission) fields(apiVersion, kind, name string, patch any) desired {
	d := desired{file: strings.ToLower(kind) + "-" + name + ".yaml", body: map[string]any{}}
	if body, err := json.Marshal(patch); err == nil && json.Unmarshal(body, &d.body) == nil {
		d.body["apiVersion"], d.body["kind"], d.body["metadata"] = apiVersion, kind, map[string]any{"name": name}
	}
	return d
}

// imageFields are those of image.config, and the ConfigMap that it names. One field manager may
// have an object in one place only, so all of image.config is beside what drains if its list of
// insecure registries is. A field that an earlier week has set is there again: server-side apply
// takes away what its manager had and leaves out.
func (e *emission) imageFields() (list []desired) {
	if e.Site.PresentImage == nil || e.Hosted() { // a hosted cluster sets it back
		return nil
	}
	spec := map[string]any{}
	if d, ok := e.authorities(); ok {
		list = append(list, d)
		spec["additionalTrustedCA"] = map[string]any{"name": d.name()}
	}
	insecure := e.Site.PlainHTTP && len(e.Images) > 0 || e.heldInsecure()
	if insecure {
		spec["registrySources"] = map[string]any{"insecureRegistries": e.trust.Insecure()}
	}
	if len(spec) == 0 {
		return list
	}
	d := e.fields("config.openshift.io/v1", "Image", "cluster", map[string]any{"spec": spec})
	d.drains = insecure
	return append(list, d)
}

// authorities is the ConfigMap of authorities with satchel's keys: those of this run, and those
// that it has in the cluster, also where this run was given none.
func (e *emission) authorities() (d desired, ok bool) {
	one, _ := e.Present("ConfigMap", "openshift-config", e.trust.CA.Name)
	own := e.Site.PresentImage.TrustedCA == "" || e.trust.OwnCA() || handover.Ours(one)
	data, binary := map[string]string{}, map[string]string{}
	if ca := e.Site.PresentCA; ca != nil && ca.Name == e.trust.CA.Name && (e.trust.CA.Written || own && e.Site.PresentImage.TrustedCA != "") {
		for key, value := range ca.Data {
			if own || key == handover.UpdateServiceKey {
				data[key] = value
			}
		}
		for key, value := range ca.BinaryData {
			if own {
				binary[key] = value
			}
		}
	}
	if e.trust.CA.Written {
		for _, key := range e.trust.CA.Keys {
			data[key] = e.trust.CA.Certs
			delete(binary, key)
		}
	}
	if len(data)+len(binary) == 0 {
		return d, false
	}
	fields := map[string]any{"data": data}
	if len(binary) > 0 {
		fields["binaryData"] = binary
	}
	d = e.fields("v1", "ConfigMap", e.trust.CA.Name, fields)
	meta := map[string]any{"name": e.trust.CA.Name, "namespace": "openshift-config"}
	if own {
		meta["labels"] = map[string]any{kube.ManagedBy: kube.Satchel}
	}
	d.body["metadata"], d.wave = meta, waveCA
	return d, true
}

// heldInsecure reports whether image.config lists the mirror as insecure, and it did not, as far
// as that is known, before satchel.
func (e *emission) heldInsecure() bool {
	before, _ := e.Before.Insecure()
	return slices.ContainsFunc(e.Hosts(), func(host string) bool {
		return slices.Contains(e.Site.PresentImage.Sources.Insecure, host) && !slices.Contains(before, host)
	})
}

// proxyFields are noProxy with the mirror in it. It is one text, so it is left out where the
// present one is not known; a change reboots nodes.
func (e *emission) proxyFields() []desired {
	p, known := e.trust.Proxy()
	if !known || p.Spec.HTTPProxy+p.Spec.HTTPSProxy == "" || e.Hosted() {
		return nil
	}
	missing, _ := e.trust.BehindProxy()
	if len(missing) == 0 && len(e.trust.AddedToProxy()) == 0 {
		return nil
	}
	all := slices.DeleteFunc(append(strings.Split(p.Spec.NoProxy, ","), missing...), func(s string) bool { return s == "" })
	d := e.fields("config.openshift.io/v1", "Proxy", "cluster", map[string]any{"spec": map[string]any{"noProxy": strings.Join(all, ",")}})
	d.drains = true
	return []desired{d}
}

// hubIsOff reports whether the cluster is known to have its default catalogs off, by satchel.
func (e *emission) hubIsOff() bool {
	return e.Before[handover.KeyDefaultsOff] != "true" && e.hub.HubChange() == handover.Same
}

// isDefaultHelm reports whether a repository of charts is the console's default one, on or off.
func isDefaultHelm(o cluster.Object) bool {
	var r operatorhub.HelmRepository
	return json.Unmarshal(o.Body, &r) == nil && slices.Contains(operatorhub.DefaultHelmURLs, strings.TrimRight(r.Spec.ConnectionConfig.URL, "/"))
}
