package serve

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

const (
	lifetime = 365 * 24 * time.Hour
	renewAt  = 30 * 24 * time.Hour // before the end
	clocks   = 24 * time.Hour      // by which those of clients may be behind
	ownFile  = "serve.pem"
	caFile   = "ca.crt" // without the key, by the name that clients look for in a directory
	ownName  = "satchel serve"

	toldHeader = "Told" // of the key's PEM block: the names that clients were told to use
)

// Own is a certificate that satchel made. It is its own authority and can sign for nobody else.
type Own struct {
	tls.Certificate
	PEM   []byte // without the key
	Why   string // it is a new one; "" for one of an earlier run
	Old   bool   // it is new in the place of another, which clients may have
	Names []string
	told  []string // those that clients were told to use, in this run and earlier ones
	Lacks []string // names of this host that it is not for
	CADir string   // has it as ca.crt, for --cert-dir of clients on this host; "": none does
}

// StateError says that the directory of earlier runs' certificate cannot be used.
type StateError struct {
	Dir, Op string
	Err     error
}

func (e *StateError) Error() string { return fmt.Sprintf("%s: %v", e.Op, e.Err) }
func (e *StateError) Unwrap() error { return e.Err }

// Hint says what to do now.
func (e *StateError) Hint() string {
	return "let this user read and write " + e.Dir + ", have state elsewhere (XDG_STATE_HOME), or give a certificate (--tls-cert FILE --tls-key FILE)"
}

// Names are names and addresses of this host.
type Names struct {
	Needed []string // what clients are told to use
	Also   []string // what works too, if it was there when the certificate was made
	Later  []string // what may work in a later run, which listens elsewhere; in this one nobody misses it
}

// OwnCertificate gives the certificate of earlier runs, which is kept in dir, if it is for all
// names that are needed and has not run out; else it makes one. dir may be "": then it is for
// this run alone. The addresses of a host come and go: a new certificate for each would be one
// that no client has.
func OwnCertificate(dir string, names Names, now time.Time) (*Own, error) {
	file, why := filepath.Join(dir, ownFile), "there was none"
	var old *Own
	if dir != "" {
		var err error
		if old, err = readOwn(file); err != nil {
			return nil, &StateError{dir, "read the certificate of earlier runs", err}
		}
	}
	if old != nil {
		if why = old.unfit(names.Needed, now); why == "" {
			old.Lacks = old.without(names.Also)
			old.forClients(dir)
			return old, nil
		}
		names.Needed = slices.Concat(names.Needed, old.told) // and no address that has gone
	}
	own, key, err := makeOwn(names, now)
	if err != nil {
		return nil, fmt.Errorf("make a certificate: %w", err)
	}
	own.Why, own.Old = why, old != nil
	if dir == "" {
		return own, nil
	}
	err = os.MkdirAll(dir, 0o700)
	if err == nil {
		err = durable.Write(file, append(key, own.PEM...))
	}
	if err != nil {
		return nil, &StateError{dir, "keep the certificate for later runs", err}
	}
	own.forClients(dir)
	return own, nil
}

// unfit says why a certificate cannot be used, "" if it can.
func (o *Own) unfit(needed []string, now time.Time) string {
	switch missing := o.without(needed); {
	case now.After(o.Leaf.NotAfter.Add(-renewAt)):
		return "the one of earlier runs is valid until " + o.Leaf.NotAfter.UTC().Format(time.DateOnly) + " only"
	case now.Before(o.Leaf.NotBefore):
		return "the one of earlier runs is not valid yet, by the clock of this host"
	case len(missing) > 0:
		return "the one of earlier runs is not for " + strings.Join(missing, ", ")
	}
	return ""
}

// without lists the names that the certificate is not for.
func (o *Own) without(names []string) (list []string) {
	for _, n := range names {
		if o.Leaf.VerifyHostname(n) != nil {
			list = append(list, n)
		}
	}
	return list
}

// forClients puts the certificate into dir once more, as clients of this host look for it.
func (o *Own) forClients(dir string) {
	file := filepath.Join(dir, caFile)
	body, err := durable.Read(file, durable.MaxGiven)
	if err != nil || !bytes.Equal(body, o.PEM) {
		err = WriteCA(file, o.PEM)
	}
	if err == nil {
		o.CADir = dir
	}
}

// readOwn reads a certificate with its key; nil if there is none that can be read.
func readOwn(file string) (*Own, error) {
	body, err := durable.Read(file, durable.MaxGiven)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(body, body)
	if err != nil {
		//lint:ignore nilerr another one is made
		return nil, nil
	}
	own := ownOf(cert)
	own.told = own.Names
	if block, _ := pem.Decode(body); block != nil && block.Headers[toldHeader] != "" {
		own.told = strings.Split(block.Headers[toldHeader], ",")
	}
	return own, nil
}

func ownOf(cert tls.Certificate) *Own {
	own := &Own{Certificate: cert, PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})}
	own.Names = slices.Clone(cert.Leaf.DNSNames)
	for _, ip := range cert.Leaf.IPAddresses {
		own.Names = append(own.Names, ip.String())
	}
	return own
}

// makeOwn makes a certificate, and its key as PEM.
func makeOwn(names Names, now time.Time) (*Own, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: ownName},
		NotBefore: now.Add(-clocks), NotAfter: now.Add(lifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	for _, n := range once(names.Needed, names.Also, names.Later) {
		if ip := net.ParseIP(n); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, n)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, key.Public(), key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, nil, err
	}
	own := ownOf(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf})
	headers := map[string]string{toldHeader: strings.Join(once(names.Needed), ",")}
	return own, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Headers: headers, Bytes: secret}), nil
}

// once has all names of some lists, sorted.
func once(lists ...[]string) []string {
	names := slices.Concat(lists...)
	slices.Sort(names)
	return slices.Compact(names)
}

// Fingerprint is the SHA-256 of a certificate, as openssl x509 -fingerprint -sha256 has it.
func Fingerprint(cert tls.Certificate) string {
	sum := sha256.Sum256(cert.Certificate[0])
	return strings.ReplaceAll(strings.ToUpper(fmt.Sprintf("% x", sum[:])), " ", ":")
}

// WriteCA writes a certificate for clients. It replaces no file but one that it wrote: a list of a
// site's authorities, or a certificate with its key, would be lost.
func WriteCA(file string, body []byte) error {
	old, err := durable.Read(file, durable.MaxGiven)
	switch {
	case errors.Is(err, os.ErrNotExist):
	case err != nil:
		return err
	case len(bytes.TrimSpace(old)) > 0 && !isOwn(old):
		return fmt.Errorf("%s is there, and is not one certificate that satchel serve made: it is not replaced", file)
	}
	if err := durable.Write(file, body); err != nil {
		if at, ok := errors.AsType[*fs.PathError](err); ok { // it names a temporary file
			err = &fs.PathError{Op: "write", Path: file, Err: at.Err}
		}
		return err
	}
	return os.Chmod(file, 0o644) // it is public
}

// isOwn reports whether a file has one certificate, which satchel serve made, and nothing else.
func isOwn(body []byte) bool {
	block, rest := pem.Decode(body)
	if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(body, []byte("-----BEGIN")) {
		return false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	return err == nil && cert.Subject.CommonName == ownName && cert.Issuer.CommonName == ownName
}

// NamesFor lists the names of this host for what listens on host, and names that were given.
func NamesFor(host string, given []string) Names {
	n := Names{Needed: slices.Clone(given), Also: []string{"localhost", "127.0.0.1", "::1"}}
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	name = strings.ToLower(name)
	ip, err := netip.ParseAddr(host)
	everywhere := host == "" || err == nil && ip.IsUnspecified()
	switch {
	case everywhere:
		n.Needed = append(n.Needed, name)
	case err == nil:
		n.Needed = append(n.Needed, ip.WithZone("").Unmap().String())
	default:
		n.Needed = append(n.Needed, host)
	}
	others := []string{name}
	addrs, _ := net.InterfaceAddrs() // without them, --tls-name names them
	for _, a := range addrs {
		if at, ok := a.(*net.IPNet); ok && !at.IP.IsLinkLocalUnicast() {
			others = append(others, at.IP.String())
		}
	}
	if everywhere {
		n.Also = append(n.Also, others...)
	} else {
		n.Later = others
	}
	return n
}

// hostName is a name that a certificate can have.
var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?)*$`)

// IsName reports whether clients can know a host by a name: an address or a host name, without a
// port.
func IsName(name string) bool {
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Zone() == "" || err != nil && len(name) <= 253 && hostName.MatchString(name)
}
