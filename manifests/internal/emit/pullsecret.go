package emit

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/oci/text"
)

// insightsHost is the entry of a pull secret that lets the Insights operator
// report; without it, it does not try ("Restoring a degraded Insights Operator").
const insightsHost = "cloud.openshift.com"

// PullSecret is a cluster's global pull secret, checked. It keeps every field of
// every entry as it was written.
type PullSecret struct{ secret *pullsecret.Secret }

// String keeps the credentials out of what is printed.
func (*PullSecret) String() string { return "(pull secret)" }

// ParsePullSecret reads a pull secret: .dockerconfigjson as downloaded, or as a
// Secret in YAML or JSON. file is its name for messages. Whatever is wrong is a
// *[imageset.ConfigError] with its place, and holds nothing of what the file says.
func ParsePullSecret(file string, data []byte) (*PullSecret, error) {
	s, err := pullsecret.Parse(data)
	var e *pullsecret.Error
	if errors.As(err, &e) {
		return nil, &imageset.ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: e.Msg, Hint: e.Hint}
	}
	if err != nil {
		return nil, fmt.Errorf("read pull secret %s: %w", file, err)
	}
	return &PullSecret{s}, nil
}

// secretState is what the pages say of the pull secret.
type secretState struct {
	written  bool
	added    bool   // the mirror's credential was
	entry    string // the one of the given secret that nodes use for the mirror, if it has one
	missing  bool   // the mirror needs a credential, and no secret is there to put it into
	insights bool   // the present one lets Insights report
}

// emitPullSecret merges the mirror's credential into the present pull secret. A
// secret with the mirror alone is never written: to apply it would throw away
// all that the cluster has.
func (e *emission) emitPullSecret() error {
	site := e.site
	if site.PullSecret == nil {
		e.secret.missing = site.Credential != nil
		e.noteToken()
		if e.secret.missing {
			e.note("no pull secret is written, because the cluster's present one was not given: run satchel render again with --pull-secret; %s says how to get it", fileApply)
		}
		return nil
	}
	s, err := e.withMirror(site.PullSecret.secret)
	if err != nil {
		return err
	}
	e.noteNarrower(s)
	after, insights := s.Without(insightsHost)
	e.secret.written, e.secret.insights = true, insights
	if err := e.addSecret(filePullSecret, filePullSecretYAML, s); err != nil {
		return err
	}
	return e.addSecret(fileAfterCut, fileAfterCutYAML, after)
}

// withMirror makes sure that a pull secret has the mirror, and says what a person
// must know of that.
func (e *emission) withMirror(s *pullsecret.Secret) (*pullsecret.Secret, error) {
	cred, host := e.site.Credential, e.site.Mirror.Host
	entry, has := s.Covers(e.site.Mirror.String())
	e.secret.entry = entry
	switch {
	case has && cred != nil && !cred.Token && !s.Gives(entry, cred.Username, cred.Password):
		e.note("the pull secret has another credential under %s than satchel uses, and keeps it: if it is an old one, take it out of the file (umask 077; jq 'del(.auths[\"%[1]s\"])' OLD > NEW), and run satchel render again with --pull-secret NEW", entry)
	case has:
	case cred == nil:
		e.note("neither the pull secret nor satchel has a credential for %s: nodes will pull from it without one", host)
	case cred.Token:
		e.noteToken()
	default:
		if err := checkCredential(cred); err != nil {
			return nil, err
		}
		e.secret.added, e.secret.entry = true, host
		e.note("the credential that satchel pushes with goes to every node: one that can only pull is better; put it into the --pull-secret file under %s, and run satchel render again", host)
		return s.Add(host, cred.Username, cred.Password), nil
	}
	return s, nil
}

// noteToken says what is missing where satchel's own login is not for nodes.
func (e *emission) noteToken() {
	if cred := e.site.Credential; cred != nil && cred.Token {
		e.note("satchel logs in to %s with an identity token, and nodes need a name and a password: put them into the --pull-secret file under %[1]s, and run satchel render again", e.site.Mirror.Host)
	}
}

// noteNarrower names the entries that go before the mirror's for some images.
func (e *emission) noteNarrower(s *pullsecret.Secret) {
	seen := map[string]bool{}
	for _, repo := range e.mirrorRepos() {
		if entry, ok := s.Covers(repo); ok && entry != e.secret.entry {
			seen[entry] = true
		}
	}
	if len(seen) > 0 {
		e.note("the pull secret has narrower entries in the mirror, and nodes use those for what is in them: %s; they must allow to pull", text.Some(slices.Sorted(maps.Keys(seen)), 3))
	}
}

func (e *emission) addSecret(config, object string, s *pullsecret.Secret) error {
	body := s.JSON()
	e.add(config, modeSecret, body)
	return e.addObject(object, modeSecret, secret{
		object: objectOf("v1", "Secret", "pull-secret", "openshift-config"),
		Type:   "kubernetes.io/dockerconfigjson",
		Data:   map[string][]byte{".dockerconfigjson": body},
	})
}

// checkCredential refuses what cannot be written as NAME:PASSWORD.
func checkCredential(c *Credential) error {
	if c.Username == "" || strings.ContainsRune(c.Username, ':') {
		return &SiteError{Field: "Credential", Msg: "the mirror's user name is empty or has a colon, which a pull secret cannot hold", hint: "use a user name and password that nodes can use too"}
	}
	return nil
}

const (
	// nodesPullSecret is what a change of the pull secret does to nodes ("Updating
	// the global cluster pull secret").
	nodesPullSecret = "Nodes: since 4.7.4 they take it up without drain or reboot; before, every node is drained and rebooted."
	// wholeSecret comes before a command that replaces the pull secret.
	wholeSecret = "The command replaces the whole secret by what it was when these files were made: if the cluster's was changed since, run satchel render again with it first."
)

func (e *emission) stepPullSecret(p *page) {
	switch {
	case e.secret.written && (e.secret.added || e.secret.entry != ""):
		p.step("Pull secret")
		what := "the present pull secret with the mirror's credential"
		if !e.secret.added {
			what = fmt.Sprintf("the pull secret that was given, which has `%s` for the mirror; if the cluster has that one already, go on with the next step", e.secret.entry)
		}
		p.text("%s is %s. %s %s", filePullSecret, what, wholeSecret, nodesPullSecret)
		p.text("Never `oc apply` %s as it is: that leaves every credential in an annotation (for GitOps: `oc apply --server-side --force-conflicts`).", filePullSecretYAML)
		p.run(setPullSecret(filePullSecret))
	case e.secret.missing:
		p.step("Pull secret: not written yet")
		p.text("The mirror wants a credential. It belongs in the cluster's pull secret, beside what that has now; a secret with the mirror alone would throw the rest away. Get the present one, and run satchel render again with it, with every other flag as before (KEY is the key file, DRIVE the bundle). Then start again at step 1 of the new %s.", fileApply)
		p.run(
			extractPullSecret("present-pull-secret.json"),
			"satchel render -i KEY --pull-secret present-pull-secret.json --to "+e.site.Mirror.String()+" --output-dir . DRIVE",
		)
	}
}

func setPullSecret(file string) string {
	return "oc set data secret/pull-secret -n openshift-config --from-file=.dockerconfigjson=" + file
}

func extractPullSecret(file string) string {
	return "(umask 077; oc extract secret/pull-secret -n openshift-config --to=- > " + file + ")"
}

func (e *emission) restoreSecret(p *page) {
	switch {
	case e.secret.written && e.secret.insights:
		p.step("The pull secret with Insights again")
		p.text("%s What it was before the first step is in %s. Nodes: since 4.7.4 no drain and no reboot.", wholeSecret, beforeSecret)
		p.run(setPullSecret(filePullSecret), "oc get clusteroperator insights")
	case !e.secret.written:
		p.step("The pull secret")
		p.text("If %s was taken out of it for the Insights operator, get the secret, put the entry back in the file, and set it. Nodes: since 4.7.4 no drain and no reboot.", insightsHost)
		p.run(extractPullSecret("pull-secret-now.json"))
		p.run(setPullSecret("pull-secret-now.json"))
	}
}
