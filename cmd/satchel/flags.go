package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/transport"
)

// registryFlags say how one side's registries are spoken to.
type registryFlags struct {
	authfile  string
	tlsVerify bool
}

// addRegistryFlags defines --authfile and --tls-verify, and the same with the
// side's prefix, src or dest, as the ecosystem's tools spell them.
func addRegistryFlags(f *pflag.FlagSet, r *registryFlags, side string) {
	f.StringVar(&r.authfile, "authfile", "", "credentials `FILE`, such as a pull secret (default: $REGISTRY_AUTH_FILE, then where podman and docker keep theirs)")
	f.StringVar(&r.authfile, side+"-authfile", "", "the same as --authfile")
	f.BoolVar(&r.tlsVerify, "tls-verify", true, "check certificates; with =false, plain HTTP is taken too")
	f.BoolVar(&r.tlsVerify, side+"-tls-verify", true, "the same as --tls-verify")
}

func (r registryFlags) client() *transport.Client {
	return transport.NewClient(transport.Config{Authfile: r.authfile, TLSVerify: r.tlsVerify, UserAgent: "satchel/" + version()})
}

// sizeValue is a flag of a number of bytes.
type sizeValue struct{ bytes *int64 }

func (v sizeValue) String() string {
	if v.bytes == nil {
		return ""
	}
	return fmt.Sprint(*v.bytes)
}

func (v sizeValue) Set(s string) (err error) {
	*v.bytes, err = bundle.ParseSize(s)
	return err
}

func (v sizeValue) Type() string { return "SIZE" }

// readerFlags are those of every command that reads a bundle.
type readerFlags struct {
	identities []string
	expect     string
}

func addExpect(f *pflag.FlagSet, expect *string) {
	f.StringVar(expect, "expect", "", "refuse any bundle but the one with this `FINGERPRINT`, as pack printed it")
}

func addReaderFlags(f *pflag.FlagSet, r *readerFlags) {
	f.StringArrayVarP(&r.identities, "identity", "i", nil, "key `FILE` (may be given more than once)")
	addExpect(f, &r.expect)
}

func parseExpect(s string) (bundle.Fingerprint, error) {
	if s == "" {
		return "", nil
	}
	fp, err := bundle.ParseFingerprint(s)
	return fp, usage(err, "give it as pack printed it, spaces do not matter")
}

// noSecrets refuses secret keys where names of files belong, without repeating them.
func noSecrets(files []string) error {
	for _, name := range files {
		if upper := strings.ToUpper(strings.TrimSpace(name)); strings.HasPrefix(upper, "AGE-SECRET-KEY-") || strings.HasPrefix(upper, "AGE-PLUGIN-") {
			return usage(errors.New("a secret key was given where the name of a file belongs"),
				"put the key into a file of its own; what was typed now stands in the shell's history and in the process list")
		}
	}
	return nil
}

func (r readerFlags) parse() (bundle.Fingerprint, []bundle.Identity, error) {
	if err := noSecrets(r.identities); err != nil {
		return "", nil, err
	}
	expect, err := parseExpect(r.expect)
	if err != nil {
		return "", nil, err
	}
	ids, err := bundle.ReadIdentities(r.identities)
	return expect, ids, usage(err, "-i takes a key file as satchel keygen or age-keygen writes it")
}
