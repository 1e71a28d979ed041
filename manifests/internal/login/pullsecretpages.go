package login

import (
	"fmt"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/page"
)

// What the commands keep in OUTDIR; all of it holds credentials.
const (
	secretsDir   = "secrets"
	SecretNow    = "secrets/pull-secret-now.json"    // the cluster's
	secretNew    = "secrets/pull-secret-new.json"    // what it is to be
	secretBefore = "secrets/pull-secret-before.json" // what it was before satchel

	// beforeSecretName is a Secret in openshift-config that keeps the pull secret as it was before
	// satchel: a directory of a week does not know it.
	beforeSecretName = "satchel-before"
	beforeSecretKey  = "pull-secret.json"

	removeSecrets = "rm " + SecretNow + " " + secretNew
)

// nodesPullSecret is what a change of the pull secret does to nodes ("Updating the global cluster
// pull secret").
func (l *Login) nodesPullSecret() string {
	if l.Hosted() {
		return "Nodes: no drain. Newer versions of hosted control planes bring it to the nodes that run; older ones only to new nodes."
	}
	if v, ok := l.Site.Cluster.Running(); ok && (v.Major > 4 || v.Minor > 7) {
		return "Nodes: no drain and no reboot."
	}
	return "Nodes: from 4.7.4 on, no drain and no reboot. Before 4.7.4, every node is drained and rebooted."
}

// StepPullSecret adds the nodes' entries to the pull secret.
func (l *Login) StepPullSecret(p *page.Page) {
	s := l.Secret
	switch {
	case s.stands != "":
		p.Nothing(fmt.Sprintf("the pull secret (in the file that you gave, nodes use the entry `%s` for the mirror)", s.stands))
	case s.Nodes != nil:
		p.Step("Pull secret")
		l.addToSecret(p)
	case s.missing:
		p.Step("Pull secret: no credential for nodes yet")
		p.Text("satchel has a credential for the mirror, and none for nodes was given. It does not give nodes its own: whoever reads it on a node could change the mirror. If the mirror lets everybody pull, continue with the next step.")
		l.lookForEntry(p)
	case s.unknown:
		p.Step("Pull secret: not written")
		p.Text("Nodes read the mirror's credential from the cluster's pull secret. satchel was given none for them, and did not ask the mirror. The following prints 200 if the mirror needs no credential, and 401 if it asks for one. If it is 200, continue with the next step.")
		p.Run("curl -sS -k -o /dev/null -w '%{http_code}\\n' https://" + page.Shell(l.Mirrors()[0].Host) + "/v2/")
		l.lookForEntry(p)
	}
}

// addToSecret shows how to add the nodes' entries to what the cluster has then.
func (l *Login) addToSecret(p *page.Page) {
	names := "`" + strings.Join(l.Secret.Nodes.Names(), "`, `") + "`"
	add := "--add "
	if l.Site.NodeSecret == nil {
		add = "--add-missing "
	}
	p.Text("Nodes log in to the mirror by the cluster's pull secret. %s has their entry (%s). The commands save the present pull secret and write a copy with the entry. They change nothing in the cluster yet.", handover.FileMirrorSecret, names)
	l.where(p)
	l.editSecret(p, add+handover.FileMirrorSecret)
	p.Text("The last command prints which entries differ. If it prints `nothing to do`, the cluster has the entry: delete the two files (`%s`) and continue with the next step. Else it prints `added:` or `changed:` with %s, and no other name in such a line. Then set it. %s", removeSecrets, names, l.nodesPullSecret())
	l.setSecret(p)
	if l.Secret.Given {
		p.Text("For GitOps, %s has the pull secret that you gave, with the entry. Keep it out of the repository, or encrypt it there. Do not use a plain `oc apply` for it: that leaves every credential in an annotation (`oc apply --server-side --force-conflicts` does not).", handover.FileGitOpsSecret)
	}
}

// lookForEntry shows how to see whether the cluster has a credential for the mirror.
func (l *Login) lookForEntry(p *page.Page) {
	var covers []string
	for _, m := range l.Mirrors() {
		covers = append(covers, "--covers "+page.Shell(m.String()))
	}
	p.Text("The following prints which entry of the present pull secret nodes use for the mirror, or that there is none:")
	l.where(p)
	at := l.pullSecretPlace()
	p.Run(append(at.read, "mkdir -p "+secretsDir, at.extract(SecretNow),
		"satchel pull-secret "+strings.Join(covers, " ")+" "+SecretNow, "rm "+SecretNow)...)
	p.Text("If it names an entry, continue with the next step. If not, log in with an account of the mirror that may only pull (`podman login --authfile node-auth.json %s`; it asks for the password). Then run satchel render again with `--node-authfile node-auth.json`, and with all other flags as before, and start again at step 1 of the new %s.", l.Mirrors()[0].Host, handover.FileApply)
}

// editSecret saves the present pull secret and writes a copy that is edited.
func (l *Login) editSecret(p *page.Page, flags string) {
	at := l.pullSecretPlace()
	p.Run(page.Chain(append(at.read, "mkdir -p "+secretsDir, "rm -f "+secretNew, at.extract(SecretNow),
		"satchel pull-secret "+flags+" --output "+secretNew+" "+SecretNow)...)...)
}

// setSecret makes the edited copy the cluster's pull secret, and keeps what was there before the
// first one.
func (l *Login) setSecret(p *page.Page, after ...string) {
	l.PageDisruption(p, handover.NodeSecret)
	p.Text("The first two commands keep the pull secret as it was before satchel, for the way back: once, in the same namespace.")
	at := l.pullSecretPlace()
	p.Run(slices.Concat(page.Chain(slices.Concat(at.read, at.keep(), []string{at.set(secretNew), removeSecrets})...), after)...)
}

// CutPullSecret takes the entry for reports to Red Hat out of what the cluster has then.
func (l *Login) CutPullSecret(p *page.Page) {
	p.Text("After the cut, the Insights operator can send no reports and would be degraded. Without %s in the pull secret it does not try. The commands save the present pull secret and write a copy without it. They change nothing in the cluster yet.", InsightsHost)
	l.where(p)
	l.editSecret(p, "--remove "+InsightsHost)
	p.Text("If the last command prints `nothing to do`, the entry is not there, and there is nothing to do: delete the two files (`%s`). If it prints `removed: %s`, make the copy the cluster's pull secret. %s", removeSecrets, InsightsHost, l.nodesPullSecret())
	l.setSecret(p, "oc get clusteroperator insights --ignore-not-found")
	if l.Secret.Given {
		p.Text("Where GitOps sets the pull secret, give it %s in place of %s from now on.", handover.FileGitOpsAfterCut, handover.FileGitOpsSecret)
	}
}

// RestoreSecret gives the entries that satchel has changed what they were, and leaves all others.
func (l *Login) RestoreSecret(p *page.Page) {
	var hosts []string
	for _, name := range append(l.secretNames(), InsightsHost) {
		hosts = append(hosts, "--host "+page.Shell(name))
	}
	p.Step("The pull secret")
	p.Text("The mirror's entry goes, and that of the Insights operator comes back, if they were like this before satchel. All other entries stay as they are now. If the first command prints nothing, satchel has not changed the pull secret: skip this step.")
	l.where(p)
	at := l.pullSecretPlace()
	before := at.before + " -n " + at.namespace
	p.Run(append(at.read, "oc get secret "+before+" --ignore-not-found -o name")...)
	p.Run(page.Chain(append(at.read, "mkdir -p "+secretsDir, "rm -f "+secretNew,
		"(umask 077; oc extract secret/"+before+" --keys="+beforeSecretKey+" --to=- > "+secretBefore+")",
		at.extract(SecretNow),
		"satchel pull-secret --restore "+secretBefore+" "+strings.Join(slices.Compact(hosts), " ")+" --output "+secretNew+" "+SecretNow)...)...)
	p.Text("The last command prints which entries differ. Make the copy the cluster's pull secret. %s", l.nodesPullSecret())
	l.PageDisruption(p, handover.NodeSecret)
	p.Run(page.Chain(append(at.read, at.set(secretNew), "oc delete secret "+before, "rm "+secretBefore+" "+SecretNow+" "+secretNew)...)...)
}

// secretNames are the entries for the mirror that satchel may have added.
func (l *Login) secretNames() []string {
	if l.Secret.Nodes != nil {
		return l.Secret.Nodes.Names()
	}
	return l.Hosts()
}
