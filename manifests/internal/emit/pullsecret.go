package emit

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// insightsHost is the entry of a pull secret that lets the Insights operator
// report; without it, it does not try ("Restoring a degraded Insights Operator").
const insightsHost = "cloud.openshift.com"

// secretState is what the pages need to know of the pull secret.
type secretState struct {
	given    bool // the present one was
	insights bool // it lets Insights report
	// nodes has the entries by which nodes pull from the mirror; nil: none were given.
	nodes *pullsecret.Secret
	// stands is the entry of the given secret that nodes use and that need not change.
	stands  string
	missing bool // the mirror needs a credential, and none for nodes is known
	unknown bool // the mirror was not asked whether it needs one, and none is known
}

// emitPullSecret writes the nodes' entries for the mirror. The pull secret itself is read from the
// cluster when APPLY.md is followed: one of today would undo what others have changed meanwhile.
func (e *emission) emitPullSecret() error {
	site, s := e.site, &e.secret
	var err error
	if s.nodes, err = e.nodeSecret(); err != nil {
		return err
	}
	if s.nodes != nil {
		e.add(fileMirrorSecret, modeSecret, s.nodes.JSON())
	}
	if site.PullSecret != nil {
		return e.presentSecret(site.PullSecret.secret)
	}
	s.missing = s.nodes == nil && site.Credential != nil
	s.unknown = s.nodes == nil && site.Credential == nil && site.Unchecked && site.Mirror.Host != placeholderHost
	e.noteMissing()
	return nil
}

// noteMissing says what nodes lack.
func (e *emission) noteMissing() {
	const how = "run satchel render again with --node-authfile; %s shows how to see whether the cluster has one already"
	switch {
	case e.secret.missing && e.site.Credential.Token:
		e.note("satchel logs in to %s with an identity token, but nodes need a user name and a password, and none were given: "+how, e.site.Mirror.Host, fileApply)
	case e.secret.missing:
		e.note("%s asks for a credential, and none for nodes was given: "+how, e.site.Mirror.Host, fileApply)
	case e.secret.unknown:
		e.note("no credential of nodes was given, and satchel did not ask whether %s needs one: if it does, "+how, e.site.Mirror.Host, fileApply)
	}
}

// presentSecret compares the pull secret that was given, and writes it for GitOps.
func (e *emission) presentSecret(now *pullsecret.Secret) error {
	s := &e.secret
	s.given = true
	to, changes := now.Edit(e.secretEdit())
	if changes.None() {
		s.stands = e.standing(now)
	}
	e.noteNarrower(to)
	after, insights := to.WithoutHost(insightsHost)
	s.insights = insights
	if kept, _ := e.keptBefore(); kept[keyCut] == "true" {
		to = after // the file that was given may be older than the cut
	}
	if err := e.addSecret(fileGitOpsSecret, to); err != nil {
		return err
	}
	return e.addSecret(fileGitOpsAfterCut, after)
}

// standing is the entry that nodes use for the mirror, "" where there is none for one of its
// addresses.
func (e *emission) standing(now *pullsecret.Secret) (entry string) {
	for _, m := range slices.Backward(e.mirrors()) {
		var has bool
		if entry, has = now.Covers(m.String()); !has {
			e.secret.missing = e.site.Credential != nil
			if e.noteMissing(); !e.secret.missing && e.site.Unchecked {
				e.note("the pull secret has no credential for %s, and none for nodes was given: nodes will pull without a credential", m)
			}
			return "" // a mirror that was asked, and asked for none, needs none
		}
	}
	return entry
}

// secretEdit is what is to become of the cluster's pull secret. What nodes have is kept where the
// mirror's own credential would take its place.
func (e *emission) secretEdit() pullsecret.Edit {
	if e.site.NodeSecret == nil {
		return pullsecret.Edit{AddMissing: e.secret.nodes}
	}
	return pullsecret.Edit{Add: e.secret.nodes}
}

// nodeSecret gives the entries by which nodes pull from the mirror; nil where none were given.
func (e *emission) nodeSecret() (*pullsecret.Secret, error) {
	switch cred := e.site.Credential; {
	case e.site.NodeSecret != nil:
		return e.fromNodeSecret(e.site.NodeSecret.secret)
	case !e.site.PushOnNodes:
		return nil, nil
	case cred == nil:
		return nil, &SiteError{Field: "Credential", Msg: fmt.Sprintf("nodes are to have the credential that satchel pushes with, and there is none for %s", e.site.Mirror.Host), hint: "give the file with it"}
	case cred.Token:
		return nil, &SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("satchel logs in to %s with an identity token, which nodes cannot use", e.site.Mirror.Host), hint: "give nodes a user name and a password of their own"}
	default:
		if err := checkCredential(cred); err != nil {
			return nil, err
		}
		e.note("every node gets the credential that satchel pushes with: whoever reads it there can change the mirror; one that can only pull is safer")
		s := &pullsecret.Secret{}
		for _, host := range e.hosts() {
			s = s.Add(host, cred.Username, cred.Password)
		}
		return s, nil
	}
}

// fromNodeSecret picks the entries for the mirror's addresses. An address that has none gets the
// credential of another one: they are the same mirror.
func (e *emission) fromNodeSecret(from *pullsecret.Secret) (*pullsecret.Secret, error) {
	s := &pullsecret.Secret{}
	take := func(entry, as string) error {
		username, password, ok := from.Login(entry)
		if !ok {
			return &SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("the nodes' credential for %s is a token; nodes need a user name and a password", entry), hint: "log in with an account that has a password, and give that file"}
		}
		s = s.Add(as, username, password)
		return nil
	}
	var without []string
	for _, m := range e.mirrors() {
		own := map[string]bool{}
		for _, name := range append(repos(e.images, func(img oci.Image) string { return m.Repo(img).Name() }), m.String()) {
			if entry, has := from.Covers(name); has {
				own[entry] = true
			}
		}
		for _, entry := range slices.Sorted(maps.Keys(own)) {
			if err := take(entry, entry); err != nil {
				return nil, err
			}
		}
		if len(own) == 0 {
			without = append(without, m.Host)
		}
	}
	other, has := from.Covers(e.site.Mirror.String())
	if names := s.Names(); !has && len(names) > 0 {
		other, has = from.Covers(names[0])
	}
	if !has && len(without) > 0 {
		return nil, &SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("the file with the nodes' credentials has none for %s", strings.Join(without, ", ")), hint: "log in there with an account that may only pull, and give that file"}
	}
	for _, host := range without {
		if err := take(other, host); err != nil {
			return nil, err
		}
	}
	if len(without) > 0 {
		e.note("the file with the nodes' credentials has none for %s: nodes use the one for %s there", text.Some(without, 3), other)
	}
	return s, nil
}

// noteNarrower names the entries that nodes use for parts of the mirror.
func (e *emission) noteNarrower(s *pullsecret.Secret) {
	wide, own := map[string]bool{}, map[string]bool{}
	for _, m := range e.mirrors() {
		if entry, ok := s.Covers(m.String()); ok {
			wide[entry] = true
		}
	}
	if e.secret.nodes != nil {
		for _, name := range e.secret.nodes.Names() {
			wide[name] = true
		}
	}
	for _, repo := range e.mirrorRepos() {
		if entry, ok := s.Covers(repo); ok && !wide[entry] {
			own[entry] = true
		}
	}
	if len(own) > 0 {
		e.note("the pull secret has entries for parts of the mirror, and nodes use those there: %s; they must be able to pull", text.Some(slices.Sorted(maps.Keys(own)), 3))
	}
}

func (e *emission) addSecret(file string, s *pullsecret.Secret) error {
	return e.addObject(file, modeSecret, kube.Secret{
		Object: kube.Theirs("v1", "Secret", "pull-secret", "openshift-config"),
		Type:   "kubernetes.io/dockerconfigjson",
		Data:   map[string][]byte{".dockerconfigjson": s.JSON()},
	})
}

// checkCredential refuses what cannot be written as NAME:PASSWORD.
func checkCredential(c *Credential) error {
	if c.Username == "" || strings.ContainsRune(c.Username, ':') {
		return &SiteError{Field: "Credential", Msg: "the mirror's user name is empty or has a colon, which a pull secret cannot hold", hint: "use a user name and password that nodes can use too"}
	}
	return nil
}
