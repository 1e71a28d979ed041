package hostfile

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/storage/pkg/configfile"
)

const dockerCerts = "/etc/docker/certs.d"

// What an [Error] is about.
const (
	Directory   = "certificates"            // a directory of certificates
	Authorities = "certificate authorities" // the file of more authorities
)

// Error says that certificates cannot be read.
type Error struct {
	What string // one of the constants above
	Path string
	Err  error
}

func (e *Error) Error() string { return e.What + " " + e.Path + ": " + e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

// Certificates are those that are configured on a host.
type Certificates struct {
	dir, file string
	root      string                 // of the system's certs.d directories
	ca        func() ([]byte, error) // the file, read once: it may be a pipe
}

// NewCertificates is for a directory with the certificates for every registry, "" for one for each
// in the usual certs.d below root; and a file of more authorities, "" for none.
func NewCertificates(dir, file, root string) *Certificates {
	return &Certificates{dir: dir, file: file, root: root, ca: sync.OnceValues(func() ([]byte, error) { return readFile(file) })}
}

// TLS is what is configured for TLS with a registry, HOST[:PORT]: the system's
// authorities, those of the file and of the registry's directory, and the
// client certificates there. The error is an *[Error].
func (c *Certificates) TLS(registry string, insecure bool) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: insecure}
	dir, err := c.certDir(registry)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		if err := tlsclientconfig.SetupCertificates(dir, conf); err != nil {
			return nil, &Error{What: Directory, Path: dir, Err: err}
		}
	}
	if c.file != "" {
		if err := c.addAuthorities(conf); err != nil {
			return nil, &Error{What: Authorities, Path: c.file, Err: err}
		}
	}
	return conf, nil
}

// certDir finds the directory with a registry's certificates: the one given, or
// HOST[:PORT] in the first certs.d directory that has it, in the order of
// containers-certs.d(5). "" is none.
func (c *Certificates) certDir(registry string) (string, error) {
	if dir := c.dir; dir != "" {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = errors.New("it is not a directory")
		}
		if err != nil {
			return "", &Error{What: Directory, Path: dir, Err: Cause(err)}
		}
		return dir, nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "certs", Extension: "d", DoNotUseExtensionForConfigName: true,
		UserId: os.Geteuid(), RootForImplicitAbsolutePaths: c.root,
	})
	if err != nil {
		return "", &Error{What: Directory, Path: "certs.d", Err: err}
	}
	for _, base := range append(paths.DropInDirectories, filepath.Join("/", c.root, dockerCerts)) {
		dir := filepath.Join(base, registry)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission): // the latter is another user's, as for podman
			return "", &Error{What: Directory, Path: dir, Err: err}
		}
	}
	return "", nil
}

// addAuthorities trusts the certificates of the file in addition to the others.
func (c *Certificates) addAuthorities(conf *tls.Config) error {
	pem, err := c.ca()
	if err != nil {
		return Cause(err)
	}
	if conf.RootCAs == nil {
		if conf.RootCAs, err = x509.SystemCertPool(); err != nil {
			return fmt.Errorf("read the system's certificate authorities: %w", err)
		}
	}
	if !conf.RootCAs.AppendCertsFromPEM(pem) {
		return errors.New("it has no PEM certificate")
	}
	return nil
}

// Authorities gives the certificate authorities that are configured for a
// registry, HOST[:PORT], in addition to the system's: those of the file, then the
// *.crt files of its directory, by name, as PEM; nothing for none. The
// error is an *[Error].
func (c *Certificates) Authorities(registry string) ([]byte, error) {
	var files []string
	if c.file != "" {
		files = append(files, c.file)
	}
	dir, err := c.certDir(registry)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, &Error{What: Directory, Path: dir, Err: err}
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".crt") {
				files = append(files, filepath.Join(dir, e.Name()))
			}
		}
	}
	var all []byte
	var seen [][]byte
	for i, name := range files {
		read := func() ([]byte, error) { return readFile(name) }
		if i == 0 && c.file != "" {
			read = c.ca
		}
		data, err := read()
		if err != nil {
			return nil, &Error{What: c.kindOf(name), Path: name, Err: Cause(err)}
		}
		found := false
		for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
			same := func(b []byte) bool { return bytes.Equal(b, block.Bytes) }
			found = found || block.Type == "CERTIFICATE"
			if block.Type == "CERTIFICATE" && !slices.ContainsFunc(seen, same) {
				seen = append(seen, block.Bytes)
				all = append(all, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
			}
		}
		if i == 0 && c.file != "" && !found {
			return nil, &Error{What: Authorities, Path: name, Err: errors.New("it has no PEM certificate")}
		}
	}
	return all, nil
}

// kindOf is what a file of authorities configures: it is the file given, or one of a directory.
func (c *Certificates) kindOf(file string) string {
	if file == c.file {
		return Authorities
	}
	return Directory
}
