package emit

const (
	fileHubRestore   = "restore/operatorhub-patch.yaml"
	fileImageRestore = "restore/image-config-patch.yaml"
)

// emitRestore writes how to go back when the network returns ("Restoring the network").
func (e *emission) emitRestore() error {
	if e.switchesHub() {
		if err := e.addObject(fileHubRestore, modePublic, hubPatch{}); err != nil {
			return err
		}
	}
	if name, known := e.trustedBefore(); known && e.ca.written {
		patch := imagePatch{}
		if name != "" {
			patch.Spec.AdditionalTrustedCA = &nameRef{name}
		}
		if err := e.addObject(fileImageRestore, modePublic, patch); err != nil {
			return err
		}
	}
	e.add(fileRestore, modePublic, e.restorePage())
	return nil
}

func (e *emission) restorePage() []byte {
	p := e.newPage()
	p.text("# When the network returns")
	p.text("Log in as cluster-admin and run the commands in the directory above this one, where APPLY.md is. First check that a node can reach the registries on the internet. The mirror may keep running.")
	e.restoreSecret(p)
	e.restoreCatalogs(p)
	e.restoreRules(p)
	e.restoreCA(p)
	e.restorePlainHTTP(p)
	e.restoreProxy(p)
	return p.bytes()
}
