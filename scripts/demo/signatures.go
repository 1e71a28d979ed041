package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// signatures is a store of release signatures on 127.0.0.1, made by a key that
// takes the place of Red Hat's.
type signatures struct {
	addr   string // host:port
	server *http.Server
}

// startSignatures writes the public key into a file.
func startSignatures(keyFile string) (*signatures, error) {
	signer, err := ocitest.NewSigner("Made up for the demo", time.Now().Add(-time.Minute), 0)
	if err != nil {
		return nil, err
	}
	key, err := signer.Key()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &signatures{listener.Addr().String(), &http.Server{Handler: signer, ReadHeaderTimeout: time.Minute}}
	go func() { _ = s.server.Serve(listener) }() // ends with close
	return s, nil
}

func (s *signatures) close() error { return s.server.Close() }

// signed says who signs the release. The environment has these two for all steps.
func (d *demo) signed() {
	d.say("The release is made up, so it is not signed by Red Hat: this is where its signature is, and the key that it is checked by.")
	for _, line := range d.signatures.env(d.dir) {
		fmt.Fprintf(d.out, "$ export %s\n", line)
	}
}

// env names the store and the key.
func (s *signatures) env(dir string) []string {
	return []string{"OCP_SIGNATURE_URL=http://" + s.addr + "/signatures", "OCP_SIGNATURE_VERIFICATION_PK=" + filepath.Join(dir, "work", releaseKey)}
}

// releaseKey is the file of the public key, in the work directory.
const releaseKey = "release-key.asc"

// checkSigned wants the verified signature among what the cluster gets.
func (d *demo) checkSigned() error {
	files, err := filepath.Glob(filepath.Join(d.dir, "work", outDir, "release-signature-sha256-*.yaml"))
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("unpack wrote %d signatures of releases, not 1", len(files))
	}
	return err
}
