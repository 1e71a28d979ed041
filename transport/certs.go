package transport

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

	"go.podman.io/image/v5/pkg/tlsclientconfig"
	"go.podman.io/storage/pkg/configfile"
)

const dockerCerts = "/etc/docker/certs.d"

// tlsConfig is what is configured for TLS with a registry: the system's
// authorities, those of Config.CAFile and of the registry's directory, and the
// client certificates there.
func (c *Client) tlsConfig(key endpointKey) (*tls.Config, error) {
	conf := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: key.insecure}
	dir, err := c.certDir(key.registry)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		if err := tlsclientconfig.SetupCertificates(dir, conf); err != nil {
			return nil, &ConfigError{What: ConfigCertificates, Path: dir, Err: err}
		}
	}
	if c.cfg.CAFile != "" {
		if err := c.addAuthorities(conf); err != nil {
			return nil, &ConfigError{What: ConfigAuthorities, Path: c.cfg.CAFile, Err: err}
		}
	}
	return conf, nil
}

// certDir finds the directory with a registry's certificates: the one given, or
// HOST[:PORT] in the first certs.d directory that has it, in the order of
// containers-certs.d(5). "" is none.
func (c *Client) certDir(registry string) (string, error) {
	if dir := c.cfg.CertDir; dir != "" {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = errors.New("it is not a directory")
		}
		if err != nil {
			return "", &ConfigError{What: ConfigCertificates, Path: dir, Err: systemCause(err)}
		}
		return dir, nil
	}
	paths, err := configfile.GetSearchPaths(&configfile.File{
		Name: "certs", Extension: "d", DoNotUseExtensionForConfigName: true,
		UserId: os.Geteuid(), RootForImplicitAbsolutePaths: c.root,
	})
	if err != nil {
		return "", &ConfigError{What: ConfigCertificates, Path: "certs.d", Err: err}
	}
	for _, base := range append(paths.DropInDirectories, filepath.Join("/", c.root, dockerCerts)) {
		dir := filepath.Join(base, registry)
		switch _, err := os.Stat(dir); {
		case err == nil:
			return dir, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission): // the latter is another user's, as for podman
			return "", &ConfigError{What: ConfigCertificates, Path: dir, Err: err}
		}
	}
	return "", nil
}

// addAuthorities trusts the certificates of Config.CAFile in addition to the others.
func (c *Client) addAuthorities(conf *tls.Config) error {
	pem, err := c.ca()
	if err != nil {
		return systemCause(err)
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
// registry, HOST[:PORT], in addition to the system's: those of Config.CAFile, then the
// *.crt files of its certs.d directory, by name, as PEM; nothing for none. The
// error is a *[ConfigError].
func (c *Client) Authorities(registry string) ([]byte, error) {
	var files []string
	if c.cfg.CAFile != "" {
		files = append(files, c.cfg.CAFile)
	}
	dir, err := c.certDir(registry)
	if err != nil {
		return nil, err
	}
	if dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return nil, &ConfigError{What: ConfigCertificates, Path: dir, Err: err}
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
		read := func() ([]byte, error) { return os.ReadFile(name) }
		if i == 0 && c.cfg.CAFile != "" {
			read = c.ca
		}
		data, err := read()
		if err != nil {
			return nil, &ConfigError{What: c.kindOf(name), Path: name, Err: systemCause(err)}
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
		if i == 0 && c.cfg.CAFile != "" && !found {
			return nil, &ConfigError{What: ConfigAuthorities, Path: name, Err: errors.New("it has no PEM certificate")}
		}
	}
	return all, nil
}

// kindOf is what a file of authorities configures: it is the file given, or one of a directory.
func (c *Client) kindOf(file string) string {
	if file == c.cfg.CAFile {
		return ConfigAuthorities
	}
	return ConfigCertificates
}
