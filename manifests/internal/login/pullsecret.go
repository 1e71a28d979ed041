package login

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/handover"
	"github.com/satchel-airgap/satchel/manifests/internal/kube"
	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
	"github.com/satchel-airgap/satchel/manifests/internal/site"
	"github.com/satchel-airgap/satchel/manifests/internal/trust"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// InsightsHost is the entry of a pull secret that lets the Insights operator
// report; without it, it does not try ("Restoring a degraded Insights Operator").
const InsightsHost = "cloud.openshift.com"

// Login is the part of the pull secret.
type Login struct {
	*handover.Handover
	Trust  *trust.Trust
	Secret secretState
}

// secretState is what the pages need to know of the pull secret.
type secretState struct {
	Given    bool // the present one was
	Insights bool // it lets Insights report
	// Nodes has the entries by which nodes pull from the mirror; nil: none were given.
	Nodes *pullsecret.Secret
	// stands is the entry of the given secret that nodes use and that need not change.
	stands  string
	missing bool // the mirror needs a credential, and none for nodes is known
	unknown bool // the mirror was not asked whether it needs one, and none is known
}

// EmitPullSecret writes the nodes' entries for the mirror. The pull secret itself is read from the
// cluster when APPLY.md is followed: one of today would undo what others have changed meanwhile.
func (l *Login) EmitPullSecret() error {
	given, s := l.Site, &l.Secret
	var err error
	if s.Nodes, err = l.NodeSecret(); err != nil {
		return err
	}
	if s.Nodes != nil {
		l.Add(handover.FileMirrorSecret, handover.ModeSecret, s.Nodes.JSON())
	}
	if given.PullSecret != nil {
		return l.presentSecret(given.PullSecret.Secret)
	}
	s.missing = s.Nodes == nil && given.Credential != nil
	s.unknown = s.Nodes == nil && given.Credential == nil && given.Unchecked && given.Mirror.Host != handover.PlaceholderHost
	l.noteMissing()
	return nil
}

// noteMissing says what nodes lack.
func (l *Login) noteMissing() {
	const how = "run satchel render again with --node-authfile; %s shows how to see whether the cluster has one already"
	switch {
	case l.Secret.missing && l.Site.Credential.Token:
		l.Note("satchel logs in to %s with an identity token, but nodes need a user name and a password, and none were given: "+how, l.Site.Mirror.Host, handover.FileApply)
	case l.Secret.missing:
		l.Note("satchel has a credential for %s, and none for nodes was given: "+how, l.Site.Mirror.Host, handover.FileApply)
	case l.Secret.unknown:
		l.Note("no credential of nodes was given, and satchel did not ask whether %s needs one: if it does, "+how, l.Site.Mirror.Host, handover.FileApply)
	}
}

// presentSecret compares the pull secret that was given, and writes it for GitOps.
func (l *Login) presentSecret(now *pullsecret.Secret) error {
	s := &l.Secret
	s.Given = true
	to, changes := now.Edit(l.SecretEdit())
	if changes.None() {
		s.stands = l.standing(now)
	}
	l.noteNarrower(to)
	after, insights := to.WithoutHost(InsightsHost)
	s.Insights = insights
	if kept, _ := l.KeptBefore(); kept[handover.KeyCut] == "true" {
		to = after // the file that was given may be older than the cut
	}
	head := ""
	if _, stays := to.WithoutHost(InsightsHost); stays {
		head = "# Only before the cut: it lets Insights report (" + InsightsHost + "). After the cut, use " + path.Base(handover.FileGitOpsAfterCut) + ".\n"
	}
	if err := l.addSecret(handover.FileGitOpsSecret, head, to); err != nil {
		return err
	}
	return l.addSecret(handover.FileGitOpsAfterCut, "", after)
}

// standing is the entry that nodes use for the mirror, "" where there is none for one of its
// addresses.
func (l *Login) standing(now *pullsecret.Secret) (entry string) {
	for _, m := range slices.Backward(l.Mirrors()) {
		var has bool
		if entry, has = now.Covers(m.String()); !has {
			l.Secret.missing = l.Site.Credential != nil
			if l.noteMissing(); !l.Secret.missing && l.Site.Unchecked {
				l.Note("the pull secret has no credential for %s, and none for nodes was given: nodes will pull without a credential", m)
			}
			return "" // a mirror that was asked, and asked for none, needs none
		}
	}
	return entry
}

// SecretEdit is what is to become of the cluster's pull secret. What nodes have is kept where the
// mirror's own credential would take its place.
func (l *Login) SecretEdit() pullsecret.Edit {
	if l.Site.NodeSecret == nil {
		return pullsecret.Edit{AddMissing: l.Secret.Nodes}
	}
	return pullsecret.Edit{Add: l.Secret.Nodes}
}

// NodeSecret gives the entries by which nodes pull from the mirror; nil where none were given.
func (l *Login) NodeSecret() (*pullsecret.Secret, error) {
	switch cred := l.Site.Credential; {
	case l.Site.NodeSecret != nil:
		return l.fromNodeSecret(l.Site.NodeSecret.Secret)
	case !l.Site.PushOnNodes:
		return nil, nil
	case cred == nil:
		return nil, &site.SiteError{Field: "Credential", Msg: fmt.Sprintf("nodes are to have the credential that satchel pushes with, and there is none for %s", l.Site.Mirror.Host), Advice: "give the file with it"}
	case cred.Token:
		return nil, &site.SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("satchel logs in to %s with an identity token, which nodes cannot use", l.Site.Mirror.Host), Advice: "give nodes a user name and a password of their own"}
	default:
		if err := checkCredential(cred); err != nil {
			return nil, err
		}
		l.Note("every node gets the credential that satchel pushes with: whoever reads it there can change the mirror; one that can only pull is safer")
		s := &pullsecret.Secret{}
		for _, host := range l.Hosts() {
			s = s.Add(host, cred.Username, cred.Password)
		}
		return s, nil
	}
}

// fromNodeSecret picks the entries for the mirror's addresses. An address that has none gets the
// credential of another one: they are the same mirror.
func (l *Login) fromNodeSecret(from *pullsecret.Secret) (*pullsecret.Secret, error) {
	s := &pullsecret.Secret{}
	take := func(entry, as string) error {
		username, password, ok := from.Login(entry)
		if !ok {
			return &site.SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("the nodes' credential for %s is a token; nodes need a user name and a password", entry), Advice: "log in with an account that has a password, and give that file"}
		}
		s = s.Add(as, username, password)
		return nil
	}
	var without []string
	for _, m := range l.Mirrors() {
		own := map[string]bool{}
		for _, name := range append(trust.Repos(l.Images, func(img oci.Image) string { return m.Repo(img).Name() }), m.String()) {
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
	other, has := from.Covers(l.Site.Mirror.String())
	if names := s.Names(); !has && len(names) > 0 {
		other, has = from.Covers(names[0])
	}
	if !has && len(without) > 0 {
		return nil, &site.SiteError{Field: "NodeSecret", Msg: fmt.Sprintf("the file with the nodes' credentials has none for %s", strings.Join(without, ", ")), Advice: "log in there with an account that may only pull, and give that file"}
	}
	for _, host := range without {
		if err := take(other, host); err != nil {
			return nil, err
		}
	}
	if len(without) > 0 {
		l.Note("the file with the nodes' credentials has none for %s: nodes use the one for %s there", text.Some(without, 3), other)
	}
	return s, nil
}

// noteNarrower names the entries that nodes use for parts of the mirror.
func (l *Login) noteNarrower(s *pullsecret.Secret) {
	wide, own := map[string]bool{}, map[string]bool{}
	for _, m := range l.Mirrors() {
		if entry, ok := s.Covers(m.String()); ok {
			wide[entry] = true
		}
	}
	if l.Secret.Nodes != nil {
		for _, name := range l.Secret.Nodes.Names() {
			wide[name] = true
		}
	}
	for _, repo := range l.Trust.MirrorRepos() {
		if entry, ok := s.Covers(repo); ok && !wide[entry] {
			own[entry] = true
		}
	}
	if len(own) > 0 {
		l.Note("the pull secret has entries for parts of the mirror, and nodes use those there: %s; they must be able to pull", text.Some(slices.Sorted(maps.Keys(own)), 3))
	}
}

// addSecret writes the pull secret as an object, below a comment.
func (l *Login) addSecret(file, head string, s *pullsecret.Secret) error {
	body, err := kube.YAML(kube.Secret{
		Object: kube.Theirs("v1", "Secret", "pull-secret", "openshift-config"),
		Type:   "kubernetes.io/dockerconfigjson",
		Data:   map[string][]byte{".dockerconfigjson": s.JSON()},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	l.Add(file, handover.ModeSecret, append([]byte(head), body...))
	return nil
}

// checkCredential refuses what cannot be written as NAME:PASSWORD.
func checkCredential(c *site.Credential) error {
	if c.Username == "" || strings.ContainsRune(c.Username, ':') {
		return &site.SiteError{Field: "Credential", Msg: "the mirror's user name is empty or has a colon, which a pull secret cannot hold", Advice: "use a user name and password that nodes can use too"}
	}
	return nil
}
