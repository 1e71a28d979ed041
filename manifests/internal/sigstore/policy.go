package sigstore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"

	"github.com/satchel-airgap/satchel/manifests/internal/cluster"
)

// Kinds of objects that are policies (config.openshift.io).
const (
	KindCluster   = "ClusterImagePolicy"
	KindNamespace = "ImagePolicy"
)

const (
	maxScopes  = 256   // as the CRDs say (openshift/api, config/v1)
	maxRSABits = 16384 // a signature by a larger key takes seconds to check
)

// Policy is one ClusterImagePolicy or ImagePolicy.
type Policy struct {
	Name      string   // of the object
	Namespace string   // that its pods are in; "" for a ClusterImagePolicy
	Scopes    []string // as written: a host, repository or image, or *.DOMAIN

	// Unchecked says why signatures cannot be judged here, although nodes can; "" if they can.
	Unchecked string

	broken   error // why nodes accept no signature; nil if they may
	key      crypto.PublicKey
	rekor    *ecdsa.PublicKey // nil: an entry in a transparency log is not demanded
	identity identity
	origin   string // what makes two policies the same
}

// String names the object.
func (p *Policy) String() string {
	if p.Namespace != "" {
		return KindNamespace + " " + p.Namespace + "/" + p.Name
	}
	return KindCluster + " " + p.Name
}

// binds gives the namespace whose pods alone a policy binds; "" for all. The cluster itself does
// not run without the pods of the platform's namespaces.
func (p *Policy) binds() string {
	if p.Namespace == "" || cluster.Platform(p.Namespace) {
		return ""
	}
	return p.Namespace
}

// Parse reads one object, in JSON. What nodes would make nothing of is no error: such a policy
// accepts no signature.
func Parse(body []byte) (*Policy, error) {
	var o struct {
		Kind     string `json:"kind"`
		Metadata struct {
			Name      string `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
		Spec struct {
			Scopes []string        `json:"scopes"`
			Policy json.RawMessage `json:"policy"`
		} `json:"spec"`
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return nil, fmt.Errorf("read a signature policy: %w", err)
	}
	if o.Kind != KindCluster && o.Kind != KindNamespace || o.Metadata.Name == "" {
		return nil, fmt.Errorf("read a signature policy: it is a %.64q named %.64q", o.Kind, o.Metadata.Name)
	}
	if n := len(o.Spec.Scopes); n > maxScopes {
		return nil, fmt.Errorf("read %s %.253q: it has %d scopes, and a cluster takes %d", o.Kind, o.Metadata.Name, n, maxScopes)
	}
	p := &Policy{Name: o.Metadata.Name, Scopes: o.Spec.Scopes}
	if o.Kind == KindNamespace {
		p.Namespace = o.Metadata.Namespace
	}
	if err := p.read(o.Spec.Policy); err != nil {
		return nil, fmt.Errorf("read %s: %w", p, err)
	}
	p.origin = p.String() + string(o.Spec.Policy)
	return p, nil
}

// spec is what a policy demands (openshift/api, config/v1, Policy).
type spec struct {
	RootOfTrust struct {
		PolicyType string `json:"policyType"`
		PublicKey  *struct {
			KeyData      []byte `json:"keyData"`
			RekorKeyData []byte `json:"rekorKeyData"`
		} `json:"publicKey"`
	} `json:"rootOfTrust"`
	SignedIdentity identity `json:"signedIdentity"`
}

func (p *Policy) read(body json.RawMessage) error {
	var s spec
	if err := json.Unmarshal(body, &s); err != nil {
		return err
	}
	p.identity = s.SignedIdentity
	switch root := s.RootOfTrust; {
	case root.PolicyType == "PublicKey" && root.PublicKey != nil:
		p.key, p.broken = publicKey(root.PublicKey.KeyData)
		if p.broken == nil && len(root.PublicKey.RekorKeyData) > 0 {
			p.rekor, p.broken = rekorKey(root.PublicKey.RekorKeyData)
		}
		var other *unknownKeyError
		if errors.As(p.broken, &other) {
			p.Unchecked, p.broken = other.Error(), nil
		}
	default:
		p.Unchecked = fmt.Sprintf("its root of trust is %.64q, which satchel does not check", root.PolicyType)
	}
	if p.broken == nil {
		p.broken = p.identity.check()
	}
	return nil
}

// unknownKeyError says that a key is of a kind that newer nodes may know.
type unknownKeyError struct{ what string }

func (e *unknownKeyError) Error() string {
	return "its key is " + e.what + ", which satchel does not check"
}

// publicKey reads a key in PEM: the first block counts (sigstore, UnmarshalPEMToPublicKey).
func publicKey(body []byte) (crypto.PublicKey, error) {
	block, _ := pem.Decode(body)
	if block == nil {
		return nil, errors.New("its key is not in PEM")
	}
	var key crypto.PublicKey
	var err error
	switch block.Type {
	case "PUBLIC KEY":
		key, err = x509.ParsePKIXPublicKey(block.Bytes)
	case "RSA PUBLIC KEY":
		key, err = x509.ParsePKCS1PublicKey(block.Bytes)
	default:
		return nil, fmt.Errorf("its key is a %.64q in PEM, not a PUBLIC KEY", block.Type)
	}
	if err != nil {
		if oid, other := otherAlgorithm(block.Bytes); other {
			return nil, &unknownKeyError{"of the algorithm " + oid}
		}
		return nil, fmt.Errorf("its key is not valid: %w", err)
	}
	switch key := key.(type) {
	case *rsa.PublicKey:
		if bits := key.N.BitLen(); bits > maxRSABits {
			return nil, &unknownKeyError{fmt.Sprintf("an RSA key of %d bits", bits)}
		}
		return key, nil
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return key, nil
	}
	return nil, &unknownKeyError{fmt.Sprintf("a %T", key)}
}

// otherAlgorithm gives the algorithm of a key that newer nodes may know.
func otherAlgorithm(der []byte) (oid string, other bool) {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &info); err != nil || len(rest) > 0 {
		return "", false
	}
	oid = info.Algorithm.Algorithm.String()
	// rsaEncryption (RFC 8017), id-ecPublicKey (RFC 5480), id-Ed25519 (RFC 8410)
	return oid, !slices.Contains([]string{"1.2.840.113549.1.1.1", "1.2.840.10045.2.1", "1.3.101.112"}, oid)
}

func rekorKey(body []byte) (*ecdsa.PublicKey, error) {
	key, err := publicKey(body)
	if err != nil {
		return nil, fmt.Errorf("rekorKeyData: %w", err)
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("rekorKeyData: its key is not an ECDSA key")
	}
	return ec, nil
}
