package signature

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"encoding/binary"
	"math/big"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// v3Size is what comes before the number in a signature packet of version 3:
// version, 5, type, time, key, algorithm, hash, two bytes of the hash, and the
// number's length in bits.
const v3Size = 1 + 1 + 1 + 4 + 8 + 1 + 1 + 2 + 2

// v3Hashes are the strong ones by their OpenPGP number (RFC 4880, 9.4).
var v3Hashes = map[byte]crypto.Hash{8: crypto.SHA256, 9: crypto.SHA384, 10: crypto.SHA512}

// checkV3 checks a signature of version 3 (RFC 4880, 5.2.2) over a binary body by
// an RSA key.
func (k Keyring) checkV3(body, sig []byte, now time.Time) (*Signed, error) {
	if len(sig) < v3Size || sig[1] != 5 || sig[2] != byte(packet.SigTypeBinary) {
		return nil, malformed("its signature of version 3 cannot be read", nil)
	}
	algorithm, hash := packet.PublicKeyAlgorithm(sig[15]), v3Hashes[sig[16]]
	if hash == 0 || algorithm != packet.PubKeyAlgoRSA && algorithm != packet.PubKeyAlgoRSASignOnly {
		return nil, malformed("its signature of version 3 is not by RSA over a hash that is strong enough", nil)
	}
	bits, number := int(binary.BigEndian.Uint16(sig[19:21])), sig[v3Size:]
	if len(number) != (bits+7)/8 {
		return nil, malformed("its signature of version 3 is cut off", nil)
	}
	h := hash.New()
	h.Write(body)
	h.Write(sig[2:7]) // type and time are signed too
	sum := h.Sum(nil)
	created, id := time.Unix(int64(binary.BigEndian.Uint32(sig[3:7])), 0), binary.BigEndian.Uint64(sig[7:15])
	err := unknownKey(id)
	for _, key := range k.keys.KeysByIdUsage(id, packet.KeyFlagSign) {
		public, ok := key.PublicKey.PublicKey.(*rsa.PublicKey)
		if !ok {
			continue
		}
		if !bytes.Equal(sum[:2], sig[17:19]) || rsa.VerifyPKCS1v15(public, hash, sum, padded(number, public)) != nil {
			err = pgperrors.SignatureError("RSA verification failure")
			continue
		}
		if err = valid(key, created, now); err == nil {
			return signedBy(key.Entity, created), nil
		}
	}
	return nil, err
}

// padded gives a number the length of the key's modulus.
func padded(number []byte, key *rsa.PublicKey) []byte {
	if len(number) > key.Size() {
		return nil
	}
	return new(big.Int).SetBytes(number).FillBytes(make([]byte, key.Size()))
}

// valid asks of a key what the library asks for signatures of version 4.
func valid(key openpgp.Key, created, now time.Time) error {
	self, identity := key.Entity.PrimarySelfSignature()
	sub := key.PublicKey != key.Entity.PrimaryKey
	switch {
	case self == nil:
		return pgperrors.SignatureError("the key has no signature of its own")
	case key.Entity.Revoked(now), sub && key.Revoked(now), identity != nil && identity.Revoked(now):
		return pgperrors.ErrKeyRevoked
	case key.Entity.PrimaryKey.KeyExpired(self, now), sub && key.PublicKey.KeyExpired(key.SelfSignature, now):
		return pgperrors.ErrKeyExpired
	case created.After(now), self.SigExpired(now), sub && key.SelfSignature.SigExpired(now):
		return pgperrors.ErrSignatureExpired
	}
	return nil
}
