package sign

import (
	"crypto/sha1" // names keys in such lists; nothing is signed by it
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/crypto/ssh"
)

// krlMagic begins a key revocation list, PROTOCOL.krl of OpenSSH.
const krlMagic = "SSHKRL\n\x00"

// Sections of a key revocation list.
const (
	krlCertificates = 1
	krlKeys         = 2
	krlSHA1         = 3
	krlSHA256       = 5
	krlExtension    = 255
)

// Sections of krlCertificates. Each is about certificates of a CA, never about a key alone.
const (
	krlSerials   = 0x20
	krlRange     = 0x21
	krlBitmap    = 0x22
	krlKeyIDs    = 0x23
	krlCertExtra = 0x39
)

var errKRLShort = errors.New("the key revocation list ends too early")

// wire reads the encodings of SSH (RFC 4251, section 5) off the front of bytes. After an error
// it gives zero values.
type wire struct {
	rest []byte
	err  error
}

func (w *wire) take(n uint64) []byte {
	if w.err != nil || n > uint64(len(w.rest)) {
		w.err, w.rest = errKRLShort, nil
		return nil
	}
	b := w.rest[:n]
	w.rest = w.rest[n:]
	return b
}

func (w *wire) byte() byte {
	if b := w.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (w *wire) uint32() uint32 {
	if b := w.take(4); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (w *wire) string() []byte { return w.take(uint64(w.uint32())) }

// more reports whether there is something left to read.
func (w *wire) more() bool { return w.err == nil && len(w.rest) > 0 }

// revoked are keys whose signatures do not count, however they are named.
type revoked struct {
	keys, sha1, sha256 map[string]bool
}

func newRevoked() *revoked {
	return &revoked{keys: map[string]bool{}, sha1: map[string]bool{}, sha256: map[string]bool{}}
}

// has reports whether a key is revoked.
func (r *revoked) has(pub ssh.PublicKey) bool {
	blob := pub.Marshal()
	by1, by256 := sha1.Sum(blob), sha256.Sum256(blob)
	return r.keys[string(blob)] || r.sha1[string(by1[:])] || r.sha256[string(by256[:])]
}

// parseKRL reads a key revocation list. What it does not understand is an error: left out, a
// revoked key could count.
func parseKRL(body []byte) (*revoked, error) {
	w := &wire{rest: body}
	w.take(uint64(len(krlMagic)))
	if v := w.uint32(); w.err == nil && v != 1 {
		return nil, fmt.Errorf("a key revocation list of format %d is not supported, only of format 1", v)
	}
	w.take(3 * 8) // version, date, flags
	w.string()    // reserved
	w.string()    // comment
	r := newRevoked()
	for w.more() {
		kind := w.byte()
		in := &wire{rest: w.string()}
		if w.err != nil {
			break
		}
		if err := r.section(kind, in); err != nil {
			return nil, err
		}
	}
	return r, w.err
}

// section takes in one section of a list.
func (r *revoked) section(kind byte, in *wire) error {
	switch kind {
	case krlCertificates:
		return certificates(in)
	case krlKeys:
		return into(r.keys, in, 0)
	case krlSHA1:
		return into(r.sha1, in, sha1.Size)
	case krlSHA256:
		return into(r.sha256, in, sha256.Size)
	case krlExtension:
		return extension(in)
	}
	return fmt.Errorf("a section of type %d of the key revocation list is not known", kind)
}

// into reads strings, of a size if it is not 0.
func into(list map[string]bool, in *wire, size int) error {
	for in.more() {
		s := in.string()
		if in.err == nil && (len(s) == 0 || size > 0 && len(s) != size) {
			return fmt.Errorf("a key or hash of the key revocation list has %d bytes", len(s))
		}
		list[string(s)] = true
	}
	return in.err
}

// extension skips an extension, unless its writer says that readers must know it.
func extension(in *wire) error {
	name := in.string()
	critical := in.byte()
	in.string()
	switch {
	case in.err != nil || len(in.rest) > 0:
		return errKRLShort
	case critical != 0:
		return fmt.Errorf("the extension %s is not known, and who reads the key revocation list must know it", quoted(string(name)))
	}
	return nil
}

// certificates checks the form of a section about certificates. It revokes none of the keys
// that may sign here: those have no certificate.
func certificates(in *wire) error {
	in.string() // the CA's key
	in.string() // reserved
	for in.more() {
		kind := in.byte()
		part := &wire{rest: in.string()}
		if in.err != nil {
			break
		}
		switch kind {
		case krlSerials:
			part.take(uint64(len(part.rest)) / 8 * 8)
		case krlRange:
			part.take(2 * 8)
		case krlBitmap:
			part.take(8)
			part.string()
		case krlKeyIDs:
			for part.more() {
				part.string()
			}
		case krlCertExtra:
			if err := extension(part); err != nil {
				return err
			}
		default:
			return fmt.Errorf("a section of type %d about certificates of the key revocation list is not known", kind)
		}
		if part.err != nil || len(part.rest) > 0 {
			return errKRLShort
		}
	}
	return in.err
}
