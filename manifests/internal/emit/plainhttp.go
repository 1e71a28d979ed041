package emit

// needsInsecure reports whether nodes must be told that the mirror speaks plain HTTP.
func (e *emission) needsInsecure() bool {
	if !e.site.PlainHTTP || len(e.images) == 0 {
		return false
	}
	img := e.site.PresentImage
	return img == nil || !within(e.site.Mirror.String(), img.Sources.Insecure)
}

// notePlainHTTP says what nodes need for a mirror without TLS.
func (e *emission) notePlainHTTP() {
	if e.needsInsecure() {
		e.note("%s speaks plain HTTP, without TLS: nodes pull from it only if image.config.openshift.io/cluster has it in insecureRegistries; %s shows how to add it there, before the rules", e.site.Mirror.Host, fileApply)
	}
}

// insecure lists what nodes use without checking certificates, once the pages were followed.
func (e *emission) insecure() (list []string) {
	if img := e.site.PresentImage; img != nil {
		list = append(list, img.Sources.Insecure...)
	}
	if e.needsInsecure() {
		list = append(list, e.site.Mirror.Host)
	}
	return list
}

// stepPlainHTTP comes before the rules: nodes must not ask the mirror by TLS, which fails.
func (e *emission) stepPlainHTTP(p *page) {
	if !e.needsInsecure() {
		return
	}
	p.step("Plain HTTP: let nodes use it for the mirror")
	p.text("The mirror answered satchel by plain HTTP. Nodes use only TLS, unless image.config lists the registry. The command opens image.config in an editor: add `%[1]s` to the list spec.registrySources.insecureRegistries. Do not remove anything there. If spec has no such list, add `registrySources: {insecureRegistries: ['%[1]s']}` to it. In a registrySources that is there, add only the list.", e.site.Mirror.Host)
	p.drains("a new entry in insecureRegistries")
	p.run("oc edit image.config.openshift.io/cluster")
	p.text("(Versions before 4.7 also reboot each node.) Wait until every node is updated:")
	p.run(waitForNodes()...)
	p.text("Whoever is in the network between the nodes and the mirror can read passwords that are sent to it. Give the mirror a certificate when you can, then remove this line again (which also drains every node).")
}

func (e *emission) restorePlainHTTP(p *page) {
	if !e.needsInsecure() {
		return
	}
	p.step("Plain HTTP: only if the mirror goes away")
	p.text("Remove `%s` from spec.registrySources.insecureRegistries, and nothing else.", e.site.Mirror.Host)
	p.drains("this change")
	p.run("oc edit image.config.openshift.io/cluster")
}
