package signature

import (
	"bytes"
	"crypto"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/opencontainers/go-digest"
)

// MaxMessage is the size of the largest message that is read, in bytes, compressed
// and not (library-go, pkg/verify/store/sigstore: 50 KiB).
const MaxMessage = 50 << 10

// Signed is what a genuine message says.
type Signed struct {
	Payload   digest.Digest
	Reference string // the tag it was published under, when it was signed
	Key       string // fingerprint of the signer's primary key, in hex
	Signer    string // a name that the key has
	Created   time.Time
}

// hashes are those that a signature may be over; SHA-1 and older ones can be made
// to fit two bodies.
var hashes = []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA3_256, crypto.SHA3_512}

// Verify judges a message: a key of the keyring, valid at the time now, signed it,
// and it is for this payload. The error is an *[Error].
func Verify(message []byte, payload digest.Digest, keys Keyring, now time.Time) (*Signed, error) {
	if len(message) > MaxMessage {
		return nil, malformed(fmt.Sprintf("it has more than %d bytes", MaxMessage), nil)
	}
	body, sig, err := takeApart(message)
	if err != nil {
		return nil, err
	}
	var s *Signed
	if len(sig.Contents) > 0 && sig.Contents[0] == 3 {
		s, err = keys.checkV3(body, sig.Contents, now)
	} else {
		s, err = keys.check(body, sig, now)
	}
	if err != nil {
		return nil, judged(err)
	}
	if s.Payload, s.Reference, err = parseClaim(body); err != nil {
		return nil, err
	}
	if s.Payload != payload {
		return nil, &Error{Kind: OtherPayload, Msg: fmt.Sprintf("it is for another payload, %s", s.Payload)}
	}
	return s, nil
}

// check checks a signature as OpenPGP has it now, of version 4 or later.
func (k Keyring) check(body []byte, sig *packet.OpaquePacket, now time.Time) (*Signed, error) {
	parsed, err := sig.Parse()
	if err != nil {
		return nil, malformed("its signature cannot be read", err)
	}
	p, ok := parsed.(*packet.Signature)
	if !ok || !slices.Contains(hashes, p.Hash) {
		return nil, malformed("its signature is not over a hash that is strong enough", nil)
	}
	if p.IssuerKeyId == nil {
		return nil, malformed("its signature does not name a key", nil)
	}
	var raw bytes.Buffer
	if err := sig.Serialize(&raw); err != nil {
		return nil, malformed("its signature cannot be read", err)
	}
	_, signer, err := openpgp.VerifyDetachedSignature(k.keys, bytes.NewReader(body), &raw, &packet.Config{Time: func() time.Time { return now }})
	if errors.Is(err, pgperrors.ErrUnknownIssuer) {
		return nil, unknownKey(*p.IssuerKeyId)
	}
	if err != nil {
		return nil, err
	}
	return signedBy(signer, p.CreationTime), nil
}

func unknownKey(id uint64) error {
	return &Error{Kind: UnknownKey, Msg: fmt.Sprintf("it is signed by key %016X, which is not trusted", id)}
}

func signedBy(e *openpgp.Entity, created time.Time) *Signed {
	s := &Signed{Key: fmt.Sprintf("%X", e.PrimaryKey.Fingerprint), Created: created}
	if id := e.PrimaryIdentity(); id != nil {
		s.Signer = id.Name
	}
	return s
}

// judged gives what the library says the kind that it has.
func judged(err error) error {
	var own *Error
	var forged pgperrors.SignatureError
	switch {
	case errors.As(err, &own):
		return err
	case errors.Is(err, pgperrors.ErrKeyRevoked):
		return &Error{Revoked, "the key that signed it was revoked", nil}
	case errors.Is(err, pgperrors.ErrKeyExpired):
		return &Error{Expired, "the key that signed it has expired, or is not valid yet", nil}
	case errors.Is(err, pgperrors.ErrSignatureExpired):
		return &Error{Expired, "the signature has expired, or is not valid yet", nil}
	case errors.As(err, &forged):
		return &Error{Forged, "its body is not what was signed", err}
	}
	return malformed("it cannot be checked", err)
}
