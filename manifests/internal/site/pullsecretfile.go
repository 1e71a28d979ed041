package site

import (
	"errors"
	"fmt"

	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/pullsecret"
)

// PullSecret is a pull secret, checked. It keeps every field of every entry as it was written.
type PullSecret struct{ Secret *pullsecret.Secret }

// String keeps the credentials out of what is printed.
func (*PullSecret) String() string { return "(pull secret)" }

// ParsePullSecret reads a pull secret: .dockerconfigjson as downloaded, or as a
// Secret in YAML or JSON. file is its name for messages. Every fault is a
// *[imageset.ConfigError] with its place, and shows nothing of the file's content.
func ParsePullSecret(file string, data []byte) (*PullSecret, error) {
	return parsed(file, data, pullsecret.Parse)
}

// ParsePresentPullSecret is [ParsePullSecret] for what a cluster has: that may name no registry.
func ParsePresentPullSecret(file string, data []byte) (*PullSecret, error) {
	return parsed(file, data, pullsecret.ParsePresent)
}

func parsed(file string, data []byte, parse func([]byte) (*pullsecret.Secret, error)) (*PullSecret, error) {
	s, err := parse(data)
	var e *pullsecret.Error
	if errors.As(err, &e) {
		return nil, &imageset.ConfigError{File: file, Line: e.Line, Column: e.Column, Msg: e.Msg, Advice: e.Hint}
	}
	if err != nil {
		return nil, fmt.Errorf("read pull secret %s: %w", file, err)
	}
	return &PullSecret{Secret: s}, nil
}

// JSON writes the pull secret as a .dockerconfigjson.
func (s *PullSecret) JSON() []byte { return s.Secret.JSON() }

// Covers returns which entry is used for a registry or repository, HOST[:PORT][/PATH]: the most
// precise one that has a credential.
func (s *PullSecret) Covers(name string) (entry string, ok bool) { return s.Secret.Covers(name) }

// Has reports whether it has an entry for a registry itself, HOST[:PORT].
func (s *PullSecret) Has(registry string) bool { return s.Secret.Has(registry) }

// PullSecretEdit is what is to become of a pull secret. Its parts are done in the order of the
// fields.
type PullSecretEdit struct {
	Add        *PullSecret // every entry of it is to be there; nil for none
	AddMissing *PullSecret // those for which there is no credential yet; nil for none
	Remove     []string    // registries
	Restore    *PullSecret // has the entries of Hosts as they were; one that it lacks goes; nil for none
	Hosts      []string
}

// PullSecretChanges are the registries of which entries differ, sorted.
type PullSecretChanges = pullsecret.Changes

// Edit returns the pull secret as it is to be, and what is different.
func (s *PullSecret) Edit(e PullSecretEdit) (*PullSecret, PullSecretChanges) {
	edit := pullsecret.Edit{Remove: e.Remove, Hosts: e.Hosts}
	for _, one := range []struct {
		from *PullSecret
		to   **pullsecret.Secret
	}{{e.Add, &edit.Add}, {e.AddMissing, &edit.AddMissing}, {e.Restore, &edit.Restore}} {
		if one.from != nil {
			*one.to = one.from.Secret
		}
	}
	to, changes := s.Secret.Edit(edit)
	return &PullSecret{Secret: to}, changes
}
