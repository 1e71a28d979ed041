package emit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// What the commands keep in OUTDIR; all of it holds credentials.
const (
	secretsDir   = "secrets"
	secretNow    = "secrets/pull-secret-now.json"    // the cluster's
	secretNew    = "secrets/pull-secret-new.json"    // what it is to be
	secretBefore = "secrets/pull-secret-before.json" // what it was before satchel

	// beforeSecretName is a Secret in openshift-config that keeps the pull secret as it was before
	// satchel: a directory of a week does not know it.
	beforeSecretName = "satchel-before"
	beforeSecretKey  = "pull-secret.json"

	removeSecrets = "rm " + secretNow + " " + secretNew
)

// nodesPullSecret is what a change of the pull secret does to nodes ("Updating the global cluster
// pull secret").
func (e *emission) nodesPullSecret() string {
	if e.hosted() {
		return "Nodes: no drain. Newer versions of hosted control planes bring it to the nodes that run; older ones only to new nodes."
	}
	if v, ok := e.site.Cluster.Running(); ok && (v.Major > 4 || v.Minor > 7) {
		return "Nodes: no drain and no reboot."
	}
	return "Nodes: from 4.7.4 on, no drain and no reboot. Before 4.7.4, every node is drained and rebooted."
}

func (e *emission) stepPullSecret(p *page.Page) {
	s := e.secret
	switch {
	case s.stands != "":
		p.Nothing(fmt.Sprintf("the pull secret (in the file that you gave, nodes use the entry `%s` for the mirror)", s.stands))
	case s.nodes != nil:
		p.Step("Pull secret")
		e.addToSecret(p)
	case s.missing:
		p.Step("Pull secret: no credential for nodes yet")
		p.Text("The mirror asks for a credential, and none for nodes was given. satchel does not give nodes its own: whoever reads it on a node could change the mirror.")
		e.lookForEntry(p)
	case s.unknown:
		p.Step("Pull secret: not written")
		p.Text("Nodes read the mirror's credential from the cluster's pull secret. satchel was given none for them, and did not ask the mirror. The following prints 200 if the mirror needs no credential, and 401 if it asks for one. If it is 200, continue with the next step.")
		p.Run("curl -sS -k -o /dev/null -w '%{http_code}\\n' https://" + page.Shell(e.mirrors()[0].Host) + "/v2/")
		e.lookForEntry(p)
	}
}

// addToSecret shows how to add the nodes' entries to what the cluster has then.
func (e *emission) addToSecret(p *page.Page) {
	names := "`" + strings.Join(e.secret.nodes.Names(), "`, `") + "`"
	add := "--add "
	if e.site.NodeSecret == nil {
		add = "--add-missing "
	}
	p.Text("Nodes log in to the mirror by the cluster's pull secret. %s has their entry (%s). The commands save the present pull secret and write a copy with the entry. They change nothing in the cluster yet.", fileMirrorSecret, names)
	e.where(p)
	e.editSecret(p, add+fileMirrorSecret)
	p.Text("The last command prints which entries differ. If it prints `nothing to do`, the cluster has the entry: delete the two files (`%s`) and continue with the next step. Else it prints `added:` or `changed:` with %s, and no other name in such a line. Then set it. %s", removeSecrets, names, e.nodesPullSecret())
	e.setSecret(p)
	if e.secret.given {
		p.Text("For GitOps, %s has the pull secret that you gave, with the entry. Keep it out of the repository, or encrypt it there. Do not use a plain `oc apply` for it: that leaves every credential in an annotation (`oc apply --server-side --force-conflicts` does not).", fileGitOpsSecret)
	}
}

// lookForEntry shows how to see whether the cluster has a credential for the mirror.
func (e *emission) lookForEntry(p *page.Page) {
	var covers []string
	for _, m := range e.mirrors() {
		covers = append(covers, "--covers "+page.Shell(m.String()))
	}
	p.Text("The following prints which entry of the present pull secret nodes use for the mirror, or that there is none:")
	e.where(p)
	at := e.pullSecretPlace()
	p.Run(append(at.read, "mkdir -p "+secretsDir, at.extract(secretNow),
		"satchel pull-secret "+strings.Join(covers, " ")+" "+secretNow, "rm "+secretNow)...)
	p.Text("If it names an entry, continue with the next step. If not, log in with an account of the mirror that may only pull (`podman login --authfile node-auth.json %s`; it asks for the password). Then run satchel render again with `--node-authfile node-auth.json`, and with all other flags as before, and start again at step 1 of the new %s.", e.mirrors()[0].Host, fileApply)
}

// editSecret saves the present pull secret and writes a copy that is edited.
func (e *emission) editSecret(p *page.Page, flags string) {
	at := e.pullSecretPlace()
	p.Run(page.Chain(append(at.read, "mkdir -p "+secretsDir, "rm -f "+secretNew, at.extract(secretNow),
		"satchel pull-secret "+flags+" --output "+secretNew+" "+secretNow)...)...)
}

// setSecret makes the edited copy the cluster's pull secret, and keeps what was there before the
// first one.
func (e *emission) setSecret(p *page.Page, after ...string) {
	e.pageDisruption(p, nodeSecret)
	p.Text("The first two commands keep the pull secret as it was before satchel, for the way back: once, in the same namespace.")
	at := e.pullSecretPlace()
	p.Run(slices.Concat(page.Chain(slices.Concat(at.read, at.keep(), []string{at.set(secretNew), removeSecrets})...), after)...)
}

// cutPullSecret takes the entry for reports to Red Hat out of what the cluster has then.
func (e *emission) cutPullSecret(p *page.Page) {
	p.Text("After the cut, the Insights operator can send no reports and would be degraded. Without %s in the pull secret it does not try. The commands save the present pull secret and write a copy without it. They change nothing in the cluster yet.", insightsHost)
	e.where(p)
	e.editSecret(p, "--remove "+insightsHost)
	p.Text("If the last command prints `nothing to do`, the entry is not there, and there is nothing to do: delete the two files (`%s`). If it prints `removed: %s`, set the copy. %s", removeSecrets, insightsHost, e.nodesPullSecret())
	e.setSecret(p, "oc get clusteroperator insights --ignore-not-found")
}

// restoreSecret gives the entries that satchel has changed what they were, and leaves all others.
func (e *emission) restoreSecret(p *page.Page) {
	var hosts []string
	for _, name := range append(e.secretNames(), insightsHost) {
		hosts = append(hosts, "--host "+page.Shell(name))
	}
	p.Step("The pull secret")
	p.Text("The mirror's entry goes, and that of the Insights operator comes back, if they were like this before satchel. All other entries stay as they are now. If the first command prints nothing, satchel has not changed the pull secret: skip this step.")
	e.where(p)
	at := e.pullSecretPlace()
	before := at.before + " -n " + at.namespace
	p.Run(append(at.read, "oc get secret "+before+" --ignore-not-found -o name")...)
	p.Run(page.Chain(append(at.read, "mkdir -p "+secretsDir, "rm -f "+secretNew,
		"(umask 077; oc extract secret/"+before+" --keys="+beforeSecretKey+" --to=- > "+secretBefore+")",
		at.extract(secretNow),
		"satchel pull-secret --restore "+secretBefore+" "+strings.Join(slices.Compact(hosts), " ")+" --output "+secretNew+" "+secretNow)...)...)
	p.Text("The last command prints which entries differ. Set the copy. %s", e.nodesPullSecret())
	e.pageDisruption(p, nodeSecret)
	p.Run(page.Chain(append(at.read, at.set(secretNew), "oc delete secret "+before, "rm "+secretBefore+" "+secretNow+" "+secretNew)...)...)
}

// secretNames are the entries for the mirror that satchel may have added.
func (e *emission) secretNames() []string {
	if e.secret.nodes != nil {
		return e.secret.nodes.Names()
	}
	return e.hosts()
}
