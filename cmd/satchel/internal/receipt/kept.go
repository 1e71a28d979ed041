package receipt

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/oci"
)

// File is what a receipt is called where it is a file.
const File = "receipt.json"

// maxSigners is how many may have signed a receipt; each has a file of its own.
const maxSigners = 99

// SignatureFile is the file beside one of that name with its signature number n, from 0.
func SignatureFile(name string, n int) string {
	if n == 0 {
		return name + ".sig"
	}
	return fmt.Sprintf("%s.%d.sig", name, n+1)
}

// Kept is a receipt as it is kept somewhere. Its lists are read when they are asked for.
type Kept struct {
	Head   Receipt // without its lists
	Digest digest.Digest
	Own    bool            // a run on this host wrote it
	Tag    string          // that it has in the mirror; "" where it is not known to be there
	Signed []bundle.Signed // who has signed it, of those who are trusted

	signedHere bool   // by a key of the keeper
	name       string // for messages
	file       string // of this host that has its bytes; "": body has them
	body       []byte
	again      func() ([]byte, error) // fetches them, where neither has them
	signatures [][]byte               // armored
	places     []mirrored             // in the mirror
}

// mirrored is a tag of the mirror, and the manifest that it led to.
type mirrored struct {
	tag      string
	manifest digest.Digest
}

// Body gives the bytes.
func (k *Kept) Body() ([]byte, error) {
	switch {
	case k.file == "" && k.body == nil && k.again != nil:
		return k.again()
	case k.file == "":
		return k.body, nil
	}
	body, err := readFile(k.file)
	if err == nil && oci.Digest(body) != k.Digest {
		err = fmt.Errorf("%s has changed since it was read", k.file)
	}
	return body, err
}

// Signatures gives the armored signatures.
func (k *Kept) Signatures() [][]byte { return k.signatures }

// verified is how many keys have signed a receipt: of what is no signature of it, anybody can
// write any number.
func (k *Kept) verified() int {
	body, err := k.Body()
	if err != nil || len(k.signatures) == 0 {
		return 0
	}
	keys := map[string]bool{}
	for _, sig := range k.signatures {
		if key, err := (bundle.Signature{Body: sig}).Of(bundle.ReceiptNamespace, body); err == nil {
			keys[key] = true
		}
	}
	return len(keys)
}

// unsigned lists those of the signers whose signature a receipt lacks.
func (k *Kept) unsigned(body []byte, signers []*bundle.Signer) (list []*bundle.Signer) {
	have := map[string]bool{}
	for _, sig := range k.signatures {
		if key, err := (bundle.Signature{Body: sig}).Of(bundle.ReceiptNamespace, body); err == nil {
			have[key] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(signers), func(s *bundle.Signer) bool { return have[s.Fingerprint()] })
}

// Load reads the receipt with its lists.
func (k *Kept) Load() (*Receipt, error) {
	body, err := k.Body()
	if err != nil {
		return nil, fmt.Errorf("read receipt: %w", err)
	}
	r, err := named(k.name, body)
	if err == nil {
		r.number = k.Head.number
	}
	return r, err
}

// numberOf is the place that a tag gives to a receipt among those of its bundle.
func numberOf(tag string) int {
	_, n, more := strings.Cut(tag, ".")
	if !more {
		return 2
	}
	number, _ := strconv.Atoi(n) // a tag of a receipt has one
	return 2 * number
}

// number gives receipts their places. One that the mirror does not have comes after those that
// are older than it: a host has its own in order.
func number(known map[digest.Digest]*Kept) {
	for _, one := range known {
		if one.Tag != "" {
			one.Head.number = numberOf(one.Tag)
		}
	}
	for _, one := range known {
		if one.Head.number != 0 {
			continue
		}
		after := 0
		for _, o := range known {
			if n := o.Head.number; n%2 == 0 && n > after && o.Head.State == Done && o.Head.Bundle == one.Head.Bundle && o.Head.Time.Before(one.Head.Time) {
				after = n
			}
		}
		one.Head.number = after + 1
	}
}

// named is Decode with the receipt's name in the error.
func named(name string, body []byte) (*Receipt, error) {
	r, err := Decode(body)
	var newer *oci.VersionError
	if errors.As(err, &newer) {
		newer.File = name
		return nil, newer
	}
	if err != nil {
		return nil, fmt.Errorf("read receipt %s: %w", name, err)
	}
	return r, nil
}

// newKept judges the bytes of a receipt, and who has signed them.
func newKept(name string, body []byte, signatures [][]byte, trust func(digest.Digest) *bundle.Trust) (*Kept, error) {
	r, err := named(name, body)
	who := trust(oci.Digest(body))
	var sigs []bundle.Signature
	for i, sig := range signatures {
		sigs = append(sigs, bundle.Signature{File: SignatureFile(name, i), Body: sig})
	}
	if newer := (*oci.VersionError)(nil); errors.As(err, &newer) && who != nil { // else anybody could stop every run
		if _, terr := who.Check(bundle.ReceiptNamespace, body, sigs, time.Now()); terr != nil {
			return nil, fmt.Errorf("check receipt %s: %w", name, terr)
		}
	}
	if err != nil {
		return nil, err
	}
	k := &Kept{Digest: oci.Digest(body), name: name, body: body, signatures: signatures}
	k.Head = *r
	k.Head.Repositories, k.Head.Images, k.Head.Manifests, k.Head.Blobs = nil, nil, nil, nil
	if who == nil {
		return k, nil
	}
	if k.Signed, err = who.Check(bundle.ReceiptNamespace, body, sigs, r.Time); err != nil {
		return nil, fmt.Errorf("check receipt %s: %w", name, err)
	}
	return k, nil
}

// HostDir is the directory of this host, below its state, for what is kept of a mirror: in all its
// layouts, because facts name repositories whole.
func HostDir(state string, mirror oci.Mirror) string {
	return filepath.Join(state, "mirrors", oci.Digest([]byte(mirror.String())).Encoded()[:16])
}

// Directories below [HostDir].
const (
	ownDone    = "receipts" // of runs on this host
	ownIntents = "intents"  // the same
	fetched    = "fetched"  // copies of what the mirror has, by tag
)

var (
	ownName = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]{1,64}-[0-9a-f]{12}\.json$`) })
	tagName = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^([a-z0-9]{1,64})(?:\.[1-9][0-9]{0,6}|-intent-[0-9a-f]{12})?$`)
	})
)

// IsTag reports whether a tag may be that of a receipt.
func IsTag(tag string) bool { return tagName().MatchString(tag) }

// ownFile is the name of an own receipt.
func ownFile(bundle string, d digest.Digest) string {
	return bundle + "-" + d.Encoded()[:12] + ".json"
}

// intentTag is the tag of an intent in the mirror.
func intentTag(bundle string, d digest.Digest) string {
	return bundle + "-intent-" + d.Encoded()[:12]
}

// readFile reads a small file of this host.
func readFile(name string) (body []byte, err error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return io.ReadAll(io.LimitReader(f, MaxSize+1))
}

// readKept reads a receipt of this host with its signature.
func readKept(file string, trust func(digest.Digest) *bundle.Trust) (*Kept, error) {
	body, err := readFile(file)
	if err != nil {
		return nil, err
	}
	signatures, err := readSignatures(file)
	if err != nil {
		return nil, err
	}
	k, err := newKept(file, body, signatures, trust)
	if err != nil {
		return nil, err
	}
	k.file, k.body = file, nil
	return k, nil
}

// maxGap is how many files of signatures may be missing before the next one.
const maxGap = 8

// readSignatures reads the signatures beside a file. One that is not there does not hide the next:
// somebody may have removed one that was wrong.
func readSignatures(file string) (list [][]byte, err error) {
	for n, missing := 0, 0; n < maxSigners && missing <= maxGap; n++ {
		sig, err := readFile(SignatureFile(file, n))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			missing++
			continue
		case err != nil:
			return nil, err
		}
		list, missing = append(list, sig), 0
	}
	return list, nil
}

// Open reads a receipt from a file, with the signatures beside it. With trust it is refused unless
// that counts them: the error is then a *[bundle.TrustError].
func Open(file string, trust *bundle.Trust) (*Kept, error) {
	return readKept(file, func(digest.Digest) *bundle.Trust { return trust })
}

// writeKept writes a receipt into a directory of this host, the signatures first, and reads
// it again.
func writeKept(file string, body []byte, signatures [][]byte) error {
	dir := filepath.Dir(file)
	return durable.Alone(dir, func() error {
		durable.Sweep(dir, durable.Temp)
		for i, sig := range signatures {
			if err := durable.Write(SignatureFile(file, i), sig); err != nil {
				return err
			}
		}
		for n := len(signatures); n < maxSigners; n++ {
			_ = os.Remove(SignatureFile(file, n)) // of another receipt that had this name
		}
		if err := durable.Write(file, body); err != nil {
			return err
		}
		again, err := readFile(file)
		if err == nil && string(again) != string(body) {
			err = fmt.Errorf("%s is not what was written", file)
		}
		return err
	})
}

// list gives the files of a directory whose names match.
func list(dir string, name *regexp.Regexp) (files []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if name.MatchString(e.Name()) && !strings.HasPrefix(e.Name(), durable.Temp) {
			files = append(files, filepath.Join(dir, e.Name()))
		}
	}
	return files, err
}
