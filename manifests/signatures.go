package manifests

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/signature"
	"github.com/satchel-airgap/satchel/oci"
)

const (
	// signatureStore is where Red Hat publishes signatures (openshift/cluster-update-keys,
	// store-openshift-official-release-mirror).
	signatureStore = "https://mirror.openshift.com/pub/openshift-v4/signatures/openshift/release"
	// maxSignatures is how many a payload can have (library-go, pkg/verify/store/sigstore).
	maxSignatures = 9
	// documentSignatures is the document with the signatures of the releases.
	documentSignatures = "release-signatures"
	// signatureArtifact is its artifact type; a file is the message in base64.
	signatureArtifact = "application/vnd.satchel.release-signatures.v1"
)

// Signature is one verified signature of a payload, as it was published.
type Signature struct {
	Payload digest.Digest
	Number  int // from 1 to 9, its place in the store
	Message []byte
	By      string // who signed it, where it was verified; a bundle does not keep that
}

// title is the signature's name in a bundle, and its key in the cluster's ConfigMap.
func (s Signature) title() string { return fmt.Sprintf("sha256-%s-%d", s.Payload.Encoded(), s.Number) }

// SignatureError says that nothing vouches for a release. Nothing of the release
// was used.
type SignatureError struct {
	Release oci.Ref
	Payload digest.Digest
	Store   string  // that was asked
	Errs    []error // of what the store gave; none: it has nothing for the payload
	Hint    string
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

const (
	hintOwnKey = "a release that Red Hat did not sign, such as one of OKD, needs OCP_SIGNATURE_VERIFICATION_PK, the file of the public key that signs it, and OCP_SIGNATURE_URL, where its signatures are"
	hintIgnore = "; --ignore-release-signature carries it all the same, and nothing then says that it is genuine"
	hintAway   = "the store of signatures gave no answer that is one: try again later, or name another store with OCP_SIGNATURE_URL"
	hintForged = "do not use this release: what the store has for it is not its signature; ask whoever runs the store"
	hintOver   = "a key that has expired or was withdrawn vouches for nothing; see whether the release was signed again"
)

// advise says what to do now, by the worst that was found.
func (e *SignatureError) advise() *SignatureError {
	e.Hint = hintOwnKey + hintIgnore
	for _, err := range e.Errs {
		var why *signature.Error
		switch {
		case !errors.As(err, &why), why.Kind == signature.Malformed: // such as a page that says who may log in
			if e.Hint != hintForged {
				e.Hint = hintAway
			}
		case why.Kind == signature.Forged || why.Kind == signature.OtherPayload:
			e.Hint = hintForged
		case (why.Kind == signature.Expired || why.Kind == signature.Revoked) && e.Hint == hintOwnKey+hintIgnore:
			e.Hint = hintOver
		}
	}
	return e
}

// okdRepositories are where OKD publishes releases, which Red Hat's keys do not sign.
var okdRepositories = regexp.MustCompile(`^(quay\.io/(okd/|openshift/okd)|registry\.ci\.openshift\.org/origin/)`)

// CheckSignatureKeys says whether text is OpenPGP public keys, for [Extra].
func CheckSignatureKeys(text string) error {
	_, err := signature.ParseKeys([]byte(text))
	return err
}

// CheckSignatureStore says whether an address can be that of a store, for [Extra].
func CheckSignatureStore(store string) error {
	u, err := url.Parse(store)
	switch {
	case err != nil:
		return errors.New("it is not an address")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New("it is not an http or https address")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has more than a host and a path")
	}
	return nil
}

// verifyRelease gives the signatures that vouch for a payload, by its digest: of an
// index the index's. Without one the release must not be used, whatever else can
// be had: the error is a *[SignatureError], and never a gap. Signatures are looked
// for until one number is not found; those that do not verify are noted beside one
// that does. With Extra.IgnoreReleaseSignature there are none, and a note instead.
// Keys that other releases brought are trusted beside Red Hat's: see [vouching].
func verifyRelease(ctx context.Context, from Images, cfg *Config, payload oci.Ref, root digest.Digest, brought signature.Keyring) ([]Signature, error) {
	x := cfg.Extra
	if x.IgnoreReleaseSignature {
		from.Note(fmt.Sprintf("RELEASE NOT VERIFIED: nothing says that %s, %s, is genuine: its signature was not looked at, by --ignore-release-signature, and none is carried", payload, root))
		return nil, nil
	}
	fail := &SignatureError{Release: payload, Payload: root, Store: strings.TrimRight(x.SignatureURL, "/"), Hint: hintOwnKey + hintIgnore}
	if fail.Store == "" {
		fail.Store = signatureStore
	}
	if err := CheckSignatureStore(fail.Store); err != nil {
		fail.Errs = []error{fmt.Errorf("the store of signatures: %w", err)}
		return nil, fail
	}
	// The payload has a ConfigMap of keys too, which clusters that run it trust for
	// the next one. Here they would vouch for the payload that brought them.
	keys, err := trustedKeys(x)
	if err == nil && x.SignatureKeys == "" && okdRepositories.MatchString(payload.Name()) {
		err = errors.New("it is a release of OKD, and no key of OKD's was given")
	}
	if err != nil {
		fail.Errs = []error{err}
		return nil, fail
	}
	good, err := fail.collect(ctx, from, keys.With(brought))
	if err != nil {
		return nil, err
	}
	if len(good) == 0 {
		return nil, fail.advise()
	}
	for _, err := range fail.Errs {
		from.Note(plain(fmt.Sprintf("a signature of release %s is not carried; another one vouches for it: %v", payload, err)))
	}
	return good, nil
}

func trustedKeys(x Extra) (signature.Keyring, error) {
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
func (e *SignatureError) collect(ctx context.Context, from Images, keys signature.Keyring) (good []Signature, err error) {
	for n := 1; n <= maxSignatures; n++ {
		link := fmt.Sprintf("%s/sha256=%s/signature-%d", e.Store, e.Payload.Encoded(), n)
		message, err := from.Fetch(ctx, link, signature.MaxMessage)
		if cerr := ctx.Err(); cerr != nil {
			return nil, fmt.Errorf("get signatures of release %s: %w", e.Release, cerr)
		}
		var status *FetchError
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
		good = append(good, Signature{e.Payload, n, message, fmt.Sprintf("%s, key %s", signed.Signer, signed.Key)})
	}
	return good, nil
}

// signatureDocument makes the document of all signatures; none without any.
func signatureDocument(ctx context.Context, list []Signature, from Images) ([]oci.Document, error) {
	var files []oci.ArtifactFile
	for _, s := range list {
		body := base64.StdEncoding.EncodeToString(s.Message) + "\n"
		files = append(files, oci.ArtifactFile{Title: s.title(), MediaType: "text/plain", Body: []byte(body)})
	}
	slices.SortFunc(files, func(a, b oci.ArtifactFile) int { return strings.Compare(a.Title, b.Title) })
	files = slices.CompactFunc(files, func(a, b oci.ArtifactFile) bool { return a.Title == b.Title }) // a payload of two channels
	return document(ctx, documentSignatures, signatureArtifact, files, from)
}

var signatureTitle = regexp.MustCompile(`^sha256-([0-9a-f]{64})-([1-9])$`)

// ReadSignatures gives the signatures that a bundle carries, for [Site], in the
// order of its document; none if it carries none. They were verified by who packed
// them, and the cluster verifies them again.
func ReadSignatures(ctx context.Context, inv *oci.Inventory, src oci.Source) ([]Signature, error) {
	root, ok := inv.Document(documentSignatures)
	if !ok {
		return nil, nil
	}
	files, err := oci.ReadArtifact(ctx, src, root, signatureArtifact)
	if err != nil {
		return nil, fmt.Errorf("read the signatures of releases: %w", err)
	}
	var list []Signature
	for _, f := range files {
		m := signatureTitle.FindStringSubmatch(f.Title)
		if m == nil {
			return nil, &oci.UnsupportedError{What: "document " + documentSignatures, Why: fmt.Sprintf("its %.128q is not the name of a signature", f.Title)}
		}
		body, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(string(f.Body), "\n"))
		if err != nil || len(body) == 0 || len(body) > signature.MaxMessage {
			return nil, &oci.UnsupportedError{What: "document " + documentSignatures, Why: fmt.Sprintf("its %s is not a signature in base64", f.Title)}
		}
		list = append(list, Signature{digest.NewDigestFromEncoded(digest.SHA256, m[1]), int(m[2][0] - '0'), body, ""})
	}
	return list, nil
}

// SigstoreNotes says which releases of an inventory lack their Sigstore signature,
// which is carried, as every other thing attached to an image, where it is found.
func SigstoreNotes(inv *oci.Inventory) []string {
	var payloads []oci.Image
	for _, img := range inv.Images {
		if img.Origin == ask.OriginRelease && img.Path == pathPayload && img.Subject == "" {
			payloads = append(payloads, img)
		}
	}
	unsigned := withoutSigstore(payloads, inv.Images)
	if len(unsigned) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("%s has no Sigstore signature of the release %s: it is carried without; nodes that demand one (4.21 and later) will refuse it", sigstoreRepository, few(unsigned))}
}
