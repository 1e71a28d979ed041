package release

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/documents"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	// signatureStore is where Red Hat publishes signatures (openshift/cluster-update-keys,
	// store-openshift-official-release-mirror).
	signatureStore = "https://mirror.openshift.com/pub/openshift-v4/signatures/openshift/release"
	// MaxSignatures is how many a payload can have (library-go, pkg/verify/store/sigstore).
	MaxSignatures = 9
)

// SignatureError says that no signature of a release was verified. Nothing of the release
// was used.
type SignatureError struct {
	Release oci.Ref
	Payload digest.Digest
	Store   string  // that was asked
	Errs    []error // of what the store gave; none: it has nothing for the payload
	advice  string
}

func (e *SignatureError) Error() string {
	s := "verify the signature of release " + e.Release.String()
	if e.Release.Digest == "" {
		s += ", " + e.Payload.String()
	}
	s += ": "
	if len(e.Errs) == 0 {
		return s + e.Store + " has none"
	}
	list := make([]string, len(e.Errs))
	for i, err := range e.Errs {
		list[i] = err.Error()
	}
	return s + strings.Join(list, "; ")
}

// Unwrap gives them as one: an error that unwraps to a list is taken for a join,
// and one of none for no error ([oci.Gaps]).
func (e *SignatureError) Unwrap() error { return errors.Join(e.Errs...) }

// Hint says what to do.
func (e *SignatureError) Hint() string { return e.advice }

// Field is the field of imageset.Extra that the hint names as a way around; empty for none.
func (e *SignatureError) Field() string {
	if e.advice == hintOwnKey+hintIgnore {
		return "IgnoreReleaseSignature"
	}
	return ""
}

// Permanent reports that what the store has will never do, as far as that can be known:
// a store that gives no answer may give one later.
func (e *SignatureError) Permanent() bool { return e.advice != hintAway }

const (
	hintOwnKey = "a release that Red Hat did not sign, such as one of OKD, needs OCP_SIGNATURE_VERIFICATION_PK, the file of the public key that signs it, and OCP_SIGNATURE_URL, where its signatures are"
	hintIgnore = "; ignoring the signature carries the release without any proof that it is genuine"
	hintAway   = "the store of signatures gave no answer that is one: try again later, or name another store with OCP_SIGNATURE_URL"
	hintForged = "do not use this release: what the store has for it is not its signature; ask whoever runs the store"
	hintOver   = "a key that has expired or was withdrawn verifies nothing; see whether the release was signed again"
)

// advise says what to do now, by the worst that was found.
func (e *SignatureError) advise() *SignatureError {
	e.advice = hintOwnKey + hintIgnore
	for _, err := range e.Errs {
		var why *signature.Error
		switch {
		case !errors.As(err, &why), why.Kind == signature.Malformed: // such as a page that says who may log in
			if e.advice != hintForged {
				e.advice = hintAway
			}
		case why.Kind == signature.Forged || why.Kind == signature.OtherPayload:
			e.advice = hintForged
		case (why.Kind == signature.Expired || why.Kind == signature.Revoked) && e.advice == hintOwnKey+hintIgnore:
			e.advice = hintOver
		}
	}
	return e
}

// okdRepositories are where OKD publishes releases, which Red Hat's keys do not sign.
var okdRepositories = regexp.MustCompile(`^(quay\.io/(okd/|openshift/okd)|registry\.ci\.openshift\.org/origin/)`)

// verifyRelease gives the signatures that verify a payload, by its digest: of an
// index the index's. Without one the release must not be used, even if all
// else is available: the error is a *[SignatureError], and never a gap. Signatures are looked
// for until one number is not found; those that do not verify are noted if another
// does. With Extra.IgnoreReleaseSignature there are none, and a note instead.
// Keys that other releases brought are trusted in addition to Red Hat's: see [verification].
func verifyRelease(ctx context.Context, from ask.Images, cfg *imageset.Config, payload oci.Ref, root digest.Digest, brought signature.Keyring) ([]documents.Signature, error) {
	x := cfg.Extra
	if x.IgnoreReleaseSignature {
		from.Note(fmt.Sprintf("RELEASE NOT VERIFIED: there is no proof that %s, %s, is genuine: its signature was ignored, as requested, and none is carried", payload, root))
		return nil, nil
	}
	fail := &SignatureError{Release: payload, Payload: root, Store: strings.TrimRight(x.SignatureURL, "/"), advice: hintOwnKey + hintIgnore}
	if fail.Store == "" {
		fail.Store = signatureStore
	}
	if err := imageset.CheckSignatureStore(fail.Store); err != nil {
		fail.Errs = []error{fmt.Errorf("the store of signatures: %w", err)}
		return nil, fail
	}
	// The payload has a ConfigMap of keys too, which clusters that run it trust for
	// the next one. Here they would verify the payload that brought them.
	keys, err := trustedKeys(x)
	if err == nil && x.SignatureKeys == "" && okdRepositories.MatchString(payload.Name()) {
		err = errors.New("it is a release of OKD, and no key of OKD's was given")
	}
	if err != nil {
		fail.Errs = []error{err}
		return nil, fail
	}
	if h := x.Hub; h != nil {
		from = &hubSignatures{Images: from, hub: h, other: x.SignatureURL != ""}
		if x.SignatureURL == "" {
			fail.Store = h.Mirror.String()
		}
	}
	good, err := fail.collect(ctx, from, keys.With(brought))
	if err != nil {
		return nil, err
	}
	if len(good) == 0 {
		return nil, fail.advise()
	}
	for _, err := range fail.Errs {
		from.Note(text.ASCII(fmt.Sprintf("a signature of release %s is not carried; another one verifies it: %v", payload, err)))
	}
	return good, nil
}

func trustedKeys(x imageset.Extra) (signature.Keyring, error) {
	if x.SignatureKeys == "" {
		return signature.RedHat()
	}
	keys, err := signature.ParseKeys([]byte(x.SignatureKeys))
	if err != nil {
		return keys, fmt.Errorf("the keys that were given: %w", err)
	}
	return keys, nil
}

// collect asks the store, gives what verifies, and keeps in e.Errs what does not.
// A store that cannot be reached is not asked again.
func (e *SignatureError) collect(ctx context.Context, from ask.Images, keys signature.Keyring) (good []documents.Signature, err error) {
	for n := 1; n <= MaxSignatures; n++ {
		link := fmt.Sprintf("%s/sha256=%s/signature-%d", e.Store, e.Payload.Encoded(), n)
		message, err := from.Fetch(ctx, link, signature.MaxMessage)
		if cerr := ctx.Err(); cerr != nil {
			return nil, fmt.Errorf("get signatures of release %s: %w", e.Release, cerr)
		}
		var status *ask.FetchError
		if errors.As(err, &status) && status.Status == 404 {
			break
		}
		if err != nil {
			e.Errs = append(e.Errs, err)
			break
		}
		signed, err := signature.Verify(message, e.Payload, keys, time.Now())
		if err != nil {
			e.Errs = append(e.Errs, fmt.Errorf("signature-%d: %w", n, err))
			continue
		}
		good = append(good, documents.Signature{Payload: e.Payload, Number: n, Message: message, By: fmt.Sprintf("%s, key %s", signed.Signer, signed.Key)})
	}
	return good, nil
}
