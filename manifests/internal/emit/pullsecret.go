package emit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/oci/text"
)

// insightsHost is the entry of a pull secret that lets the Insights operator
// report; without it, it does not try ("Restoring a degraded Insights Operator").
const insightsHost = "cloud.openshift.com"

// secretState is what the pages need to know of the pull secret.
type secretState struct {
	written  bool
	added    bool   // the mirror's credential was
	entry    string // the one of the given secret that nodes use for the mirror, if it has one
	missing  bool   // the mirror needs a credential, and no secret is there to put it into
	unknown  bool   // neither was given, and the mirror was not asked whether it needs one
	insights bool   // the present one lets Insights report
}

// emitPullSecret merges the mirror's credential into the present pull secret. A
// secret with only the mirror is never written: applying it would delete every
// other entry of the cluster.
func (e *emission) emitPullSecret() error {
	site := e.site
	if site.PullSecret == nil {
		e.secret.missing = site.Credential != nil
		e.secret.unknown = site.Credential == nil && site.Unchecked && site.Mirror.Host != placeholderHost
		e.noteToken()
		if e.secret.unknown {
			e.note("no pull secret was written: neither the cluster's pull secret nor a credential for %s was given, and satchel did not ask whether the mirror needs one. If it does, run satchel render again with --pull-secret and --authfile; %s shows how to find out", site.Mirror.Host, fileApply)
		}
		if e.secret.missing {
			e.note("no pull secret was written, because the cluster's current pull secret was not given: run satchel render again with --pull-secret; %s shows how to get it", fileApply)
		}
		return nil
	}
	s, err := e.withMirror(site.PullSecret.secret)
	if err != nil {
		return err
	}
	e.noteNarrower(s)
	after, insights := s.WithoutHost(insightsHost)
	e.secret.written, e.secret.insights = true, insights
	if err := e.addSecret(filePullSecret, filePullSecretYAML, s); err != nil {
		return err
	}
	return e.addSecret(fileAfterCut, fileAfterCutYAML, after)
}

// withMirror makes sure that a pull secret has the mirror, and notes what a person
// must know about it.
func (e *emission) withMirror(s *pullsecret.Secret) (*pullsecret.Secret, error) {
	cred, host := e.site.Credential, e.site.Mirror.Host
	entry, has := s.Covers(e.site.Mirror.String())
	e.secret.entry = entry
	switch {
	case has && cred != nil && !cred.Token && !s.Gives(entry, cred.Username, cred.Password):
		e.note("the pull secret already has a credential for %s: it is kept; nodes will use that one. This is fine if you intended it; if the credential is out of date, remove it from the file (umask 077; jq 'del(.auths[\"%[1]s\"])' OLD > NEW) and run satchel render again with --pull-secret NEW", entry)
	case has:
	case cred == nil:
		e.note("neither the pull secret nor satchel has a credential for %s: nodes will pull without a credential", host)
	case cred.Token:
		e.noteToken()
	default:
		if err := checkCredential(cred); err != nil {
			return nil, err
		}
		e.secret.added, e.secret.entry = true, host
		e.note("every node gets the credential that satchel pushes with: one that can only pull is safer; put it into the --pull-secret file under %s and run satchel render again", host)
		return s.Add(host, cred.Username, cred.Password), nil
	}
	return s, nil
}

// noteToken says what is missing where nodes cannot log in as satchel does.
func (e *emission) noteToken() {
	if cred := e.site.Credential; cred != nil && cred.Token {
		e.note("satchel logs in to %s with an identity token, but nodes need a user name and a password: put these into the --pull-secret file under %[1]s and run satchel render again", e.site.Mirror.Host)
	}
}

// noteNarrower names the entries that nodes use for parts of the mirror.
func (e *emission) noteNarrower(s *pullsecret.Secret) {
	seen := map[string]bool{}
	for _, repo := range e.mirrorRepos() {
		if entry, ok := s.Covers(repo); ok && entry != e.secret.entry {
			seen[entry] = true
		}
	}
	if len(seen) > 0 {
		e.note("the pull secret has entries for parts of the mirror, and nodes use those there: %s; they must be able to pull", text.Some(slices.Sorted(maps.Keys(seen)), 3))
	}
}

func (e *emission) addSecret(config, object string, s *pullsecret.Secret) error {
	body := s.JSON()
	e.add(config, modeSecret, body)
	return e.addObject(object, modeSecret, secret{
		object: theirs("v1", "Secret", "pull-secret", "openshift-config"),
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
	nodesPullSecret = "Nodes: from 4.7.4 on, no drain and no reboot. Before 4.7.4, every node is drained and rebooted."
	// wholeSecret comes before a command that replaces the pull secret.
	wholeSecret = "The command replaces the whole pull secret of the cluster. If that has changed since these files were written, first run satchel render again with the new one."
)

func (e *emission) stepPullSecret(p *page) {
	switch {
	case e.secret.written && (e.secret.added || e.secret.entry != ""):
		p.step("Pull secret")
		what := "the cluster's pull secret with the mirror's credential added."
		if !e.secret.added {
			what = fmt.Sprintf("the pull secret that you gave. It already has an entry for the mirror (`%s`). If the cluster has this pull secret already, continue with the next step.", e.secret.entry)
		}
		p.text("%s is %s %s %s", filePullSecret, what, wholeSecret, nodesPullSecret)
		p.text("Do not use a plain `oc apply` for %s: it leaves every credential in an annotation. (For GitOps: `oc apply --server-side --force-conflicts`.)", filePullSecretYAML)
		p.run(setPullSecret(filePullSecret))
	case e.secret.missing:
		p.step("Pull secret: not written yet")
		p.text("The mirror needs a credential, and nodes read it from the cluster's pull secret. A pull secret with only the mirror would delete all other entries. So get the present one and run satchel render again with it, and with all other flags as before (KEY is the key file, DRIVE the bundle). Then start again at step 1 of the new %s.", fileApply)
		p.run(
			extractPullSecret("present-pull-secret.json"),
			"satchel render -i KEY --pull-secret present-pull-secret.json --to "+shell(e.site.Mirror.String())+" --output-dir . DRIVE",
		)
	case e.secret.unknown:
		p.step("Pull secret: not written")
		p.text("Nodes read the mirror's credential from the cluster's pull secret. satchel was given neither, and did not ask the mirror. The following prints 200 if the mirror needs no credential, and 401 if it asks for one. If it is 200, continue with the next step.")
		p.run("curl -sS -k -o /dev/null -w '%{http_code}\\n' https://" + shell(e.site.Mirror.Host) + "/v2/")
		p.text("If it is 401, get the present pull secret and run satchel render again with it, with the mirror's credential (`--authfile`), and with all other flags as before (KEY is the key file, DRIVE the bundle). Then start again at step 1 of the new %s.", fileApply)
		p.run(
			extractPullSecret("present-pull-secret.json"),
			"satchel render -i KEY --authfile AUTHFILE --pull-secret present-pull-secret.json --to "+shell(e.site.Mirror.String())+" --output-dir . DRIVE",
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
		p.step("The pull secret with Insights")
		p.text("%s The pull secret from before the first step is in %s. Nodes: from 4.7.4 on, no drain and no reboot.", wholeSecret, beforeSecret)
		p.run(setPullSecret(filePullSecret), "oc get clusteroperator insights")
	case !e.secret.written:
		p.step("The pull secret")
		p.text("If you removed %s from it for the Insights operator, get the pull secret, put the entry back into the file, and set it. Nodes: from 4.7.4 on, no drain and no reboot.", insightsHost)
		p.run(extractPullSecret("pull-secret-now.json"))
		p.run(setPullSecret("pull-secret-now.json"))
	}
}
