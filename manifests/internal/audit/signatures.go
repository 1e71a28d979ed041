package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/sigstore"
	"github.com/satchel-airgap/satchel/oci"
)

// signedKey is a policy, and a manifest at one place under one name.
type signedKey struct {
	policy   string
	name     oci.Ref
	served   string
	manifest digest.Digest
}

// sign checks the signatures that policies demand of an image which is there. Nodes check when they pull,
// and in a namespace with an ImagePolicy that counts also whenever a container is made, of an image that
// they have too: then by all policies, since those of the cluster are in its file as well (CRI-O,
// server/container_create.go; Machine Config Operator).
func (j *judging) sign(ctx context.Context, c container, one *asked) error {
	list, own := j.policies[c.Namespace]
	if own = own && c.Namespace != ""; !own {
		list = j.policies[""]
	}
	for _, p := range sigstore.For(list, c.ref) {
		if p.Unchecked != "" {
			j.unknown("the signatures that %s demands were not judged: %s", p, p.Unchecked)
			continue
		}
		if j.Mirror.Signatures == nil {
			j.note("the signatures that %s demands were not looked for", p)
			continue
		}
		wrong, err := j.verify(ctx, p, one, c.Archs)
		if err != nil {
			return err
		}
		if wrong == nil {
			continue
		}
		when := "nodes check it when they pull"
		if own {
			when = "nodes check it whenever a container is made, also of an image that they have"
		}
		j.add(c, Unsigned, fmt.Sprintf("%s: %v at %s; %s", p, wrong, one.answer.Served, when), p.String())
		if found := j.report.Findings; own {
			found[len(found)-1].Stays = false
		}
		return nil
	}
	return nil
}

// verify holds each manifest that nodes of some architectures may pick against a policy. The error is that of a
// context.
func (j *judging) verify(ctx context.Context, p *sigstore.Policy, one *asked, archs string) (wrong, err error) {
	list := one.answer.pickedBy(archs)
	if len(list) == 0 {
		list = []Manifest{{Digest: one.answer.Digest}}
	}
	at, err := oci.ParseRef(one.answer.Served + "@" + string(list[0].Digest))
	if err != nil {
		j.unknown("the signatures of %s were not judged: what it is in the mirror is not known", one.ref)
		//lint:ignore nilerr the note says it
		return nil, nil
	}
	for _, m := range list {
		key := signedKey{p.String(), one.ref, one.answer.Served, m.Digest}
		wrong, known := j.signed[key]
		if !known {
			signatures, err := j.Mirror.Signatures(ctx, at.Repo(), m.Digest)
			var unusable *sigstore.UnusableError
			switch {
			case ctx.Err() != nil:
				return nil, ctx.Err()
			case errors.As(err, &unusable):
				wrong = unusable
			case errors.Is(err, sigstore.ErrAbsent):
				wrong = nil // another platform, which is not carried
			case err != nil:
				j.unknown("the signatures of %s at %s were not judged: %v", one.ref, one.answer.Served, err)
			default:
				wrong = p.Verify(one.ref, m.Digest, signatures)
			}
			if j.signed == nil {
				j.signed = map[signedKey]error{}
			}
			j.signed[key] = wrong
		}
		if wrong != nil {
			return wrong, nil
		}
	}
	return nil, nil
}

// unknown notes what is not known and could be wrong.
func (j *judging) unknown(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(j.report.Unknown, line) {
		j.report.Unknown = append(j.report.Unknown, line)
	}
}

func (j *judging) note(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !slices.Contains(j.report.Notes, line) {
		j.report.Notes = append(j.report.Notes, line)
	}
}
