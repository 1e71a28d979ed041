package emit

import (
	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
	"github.com/satchel-airgap/satchel/oci/text"
)

// noteApplications says where nobody looked at what applications run.
func (e *emission) noteApplications() {
	c := e.Site.Cluster
	seen := c.Namespaces()
	switch {
	case len(seen) == 0 || c.Applications():
	case c.Known("Pod"):
		e.Note("applications unknown: %s of the cluster were not read of all namespaces; whether the mirror has the images that they name was not looked at. The line at the end of %s fetches the rest, where the user may read them", text.Some(c.UnknownWorkloads(), 6), handover.FileApply)
	default:
		e.Note("applications unknown: what was given of the cluster has the pods of %s (%s), not of all; whether the mirror has the images of the others was not looked at. The line at the end of %s fetches the rest", text.Count(len(seen), "namespace", "namespaces"), text.Some(seen, 6), handover.FileApply)
	}
}

// pageQuery shows how satchel gets to know what the cluster is.
func (e *emission) pageQuery(p *page.Page) {
	const file = "cluster.yaml"
	p.Head("For the next bundle: what the cluster is")
	if e.Site.Cluster.Applications() {
		p.Text("Fetch it again before the next bundle, with the line that `satchel cluster-query` prints, and give the file to satchel (`--from-cluster %s`).", file)
		return
	}
	p.Text("The line writes %s. Give it to satchel with the next bundle, or run satchel render again with it (`--from-cluster %s`): %s then has only what this cluster needs. The line changes nothing and asks for no Secret. It is one line: copy all of it.", file, file, handover.FileApply)
	p.Text("```sh\n%s\n```", cluster.Query(file))
}
