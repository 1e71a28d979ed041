package main

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/transport"
)

// registryFlags are for the registries of one side.
type registryFlags struct {
	authfile       string
	tlsVerify      bool
	certDir        string
	caFile         string
	registriesConf string
	retryTimes     uint
	retryDelay     time.Duration
	limitRate      int64
	push           bool        // the mirror's side
	given          func() bool // whether --tls-verify was
}

// addRegistryFlags defines the flags of a side, src or dest, some of them with
// the side's prefix too, as the ecosystem's tools spell them.
func addRegistryFlags(f *pflag.FlagSet, r *registryFlags, side string) {
	f.StringVar(&r.authfile, "authfile", "", "credentials `FILE`, such as a pull secret (default: $REGISTRY_AUTH_FILE, then the files of podman and docker)")
	f.StringVar(&r.authfile, side+"-authfile", "", "`FILE`, the same as --authfile")
	f.BoolVar(&r.tlsVerify, "tls-verify", true, "check certificates; =false also allows plain HTTP (default: true, except for registries that registries.conf has as insecure)")
	f.BoolVar(&r.tlsVerify, side+"-tls-verify", true, "the same as --tls-verify")
	f.StringVar(&r.certDir, "cert-dir", "", "`DIR` with certificates: *.crt of authorities, *.cert and *.key of this client (default: HOST[:PORT] in the certs.d directories of podman and docker)")
	f.StringVar(&r.certDir, side+"-cert-dir", "", "`DIR`, the same as --cert-dir")
	f.StringVar(&r.caFile, "ca-file", "", "PEM `FILE` of further certificate authorities")
	f.StringVar(&r.registriesConf, "registries-conf", "", "registries.conf `FILE`, and FILE.d (default: $CONTAINERS_REGISTRIES_CONF, then those of podman)")
	f.UintVar(&r.retryTimes, "retry-times", transport.DefaultRetryTimes, "how often, `N` times, a request that fails is tried again")
	f.Var(delayValue{&r.retryDelay}, "retry-delay", "pause between tries, such as 5s (default: from 1s, doubling, and an outage of a minute is waited for)")
	f.Var(rateValue{&r.limitRate}, "limit-rate", "most bytes a second over all connections, such as 10MiB or 80Mbit; 0 is no limit")
	for _, name := range []string{"tls-verify", side + "-tls-verify"} {
		f.Lookup(name).DefValue = "" // the text says it
	}
	r.push = side == "dest"
	r.given = func() bool { return f.Changed("tls-verify") || f.Changed(side+"-tls-verify") }
}

// client makes the side's client, which reports what it waits for.
func (r registryFlags) client(a *app) *transport.Client { return r.clientWith(a, nil) }

// clientWith makes one that logs in by the content of a credentials file; nil: by the side's own.
func (r registryFlags) clientWith(a *app, credentials []byte) *transport.Client {
	return transport.NewClient(transport.Config{
		Authfile:       r.authfile,
		Credentials:    credentials,
		TLSVerify:      r.tlsVerify,
		TLSStrict:      r.given(),
		CertDir:        r.certDir,
		CAFile:         r.caFile,
		RegistriesConf: r.registriesConf,
		Push:           r.push,
		RetryTimes:     int(min(r.retryTimes, math.MaxInt32)),
		RetryDelay:     r.retryDelay,
		LimitRate:      r.limitRate,
		UserAgent:      "satchel/" + version(),
		Trace: func(method, url string, status int, err error) {
			if err != nil {
				a.debug("%s %s: %v", method, url, err)
				return
			}
			a.debug("%s %s: %d", method, url, status)
		},
		Waiting: func(host, why string, d time.Duration) {
			a.info("%s: %s; trying again in %s", host, why, d.Round(time.Second/10))
		},
	})
}

// delayValue is a flag of a time that is not negative.
type delayValue struct{ d *time.Duration }

func (v delayValue) String() string {
	if v.d == nil || *v.d == 0 {
		return ""
	}
	return v.d.String()
}

func (v delayValue) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err == nil && d < 0 {
		err = errors.New("it is negative")
	}
	*v.d = d
	return err
}

func (v delayValue) Type() string { return "DURATION" }

// sizeValue is a flag of a number of bytes.
type sizeValue struct{ bytes *int64 }

func (v sizeValue) String() string {
	if v.bytes == nil {
		return ""
	}
	return bundle.CompactSize(*v.bytes)
}

func (v sizeValue) Set(s string) (err error) {
	*v.bytes, err = bundle.ParseSize(s)
	return err
}

func (v sizeValue) Type() string { return "SIZE" }

// someValue is a flag of a number of bytes that is not 0.
type someValue struct{ sizeValue }

func (v someValue) Set(s string) error {
	err := v.sizeValue.Set(s)
	if err == nil && *v.bytes == 0 {
		err = errors.New("it must be more than 0")
	}
	return err
}

const passphraseHint = "name a file whose first line is the passphrase"

// readerFlags are those of every command that reads a bundle.
type readerFlags struct {
	identities      []string
	passphrase      bool
	passphraseFiles []string
	expect          string
	trust           trustFlags
	bundle          string // ID
	unencrypted     bool   // may be opened too
}

func addExpect(f *pflag.FlagSet, expect *string) {
	f.Var(givenValue{expect, "FINGERPRINT"}, "expect", "refuse any bundle but the one with this `FINGERPRINT`, as pack printed it")
}

func addReaderFlags(f *pflag.FlagSet, r *readerFlags) {
	addKeyFlags(f, r)
	f.BoolVar(&r.unencrypted, "allow-unencrypted", false, "also open a bundle that is not encrypted (pack --no-encryption): it needs no key, and only --expect and --trust show whose it is")
}

// addKeyFlags defines those of a command that is about the keys of a bundle.
func addKeyFlags(f *pflag.FlagSet, r *readerFlags) {
	f.StringArrayVarP(&r.identities, "identity", "i", nil, "key `FILE` of age, of an age plugin, or of SSH (may be given more than once)")
	f.BoolVar(&r.passphrase, "passphrase", false, "open with a passphrase, asked for on the terminal")
	f.StringArrayVar(&r.passphraseFiles, "passphrase-file", nil, "open with the passphrase in the first line of `FILE`")
	addExpect(f, &r.expect)
	addTrustFlags(f, &r.trust)
	addBundle(f, &r.bundle)
}

// givenValue is a flag that says which bundle is meant. Given and empty, as an unset variable
// makes it, it must not pass for any bundle.
type givenValue struct {
	text *string
	kind string
}

func (v givenValue) String() string {
	if v.text == nil {
		return ""
	}
	return *v.text
}

func (v givenValue) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*v.text = s
	return nil
}

func (v givenValue) Type() string { return v.kind }

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

func (r readerFlags) parse(ui *bundle.UI) (bundle.Wanted, []bundle.Identity, error) {
	if err := noSecrets(r.identities); err != nil {
		return bundle.Wanted{}, nil, err
	}
	want, err := r.trust.wanted(r.expect)
	if err != nil {
		return want, nil, err
	}
	want.Plain = r.unencrypted
	ids, err := bundle.ReadIdentities(r.identities, ui)
	if err != nil {
		return want, nil, usage(err, "-i takes a key file as satchel keygen, age-keygen or an age plugin writes it, or an SSH private key")
	}
	for _, name := range r.passphraseFiles {
		p, err := bundle.ReadPassphrase(name)
		if err != nil {
			return want, nil, usage(err, passphraseHint)
		}
		ids = append(ids, p.Identity())
	}
	if r.passphrase {
		ids = append(ids, bundle.AskPassphrase(ui, "Passphrase of the bundle", false).Identity())
	}
	return want, ids, nil
}

// recipientFlags are who may open a bundle.
type recipientFlags struct {
	recipients      []string
	files           []string
	passphrase      bool
	passphraseFiles []string
}

// addRecipientFlags defines -r and -R, and the flags of passphrases with a
// prefix, for commands where --passphrase opens.
func addRecipientFlags(f *pflag.FlagSet, r *recipientFlags, prefix string) {
	addPublicKeyFlags(f, r)
	f.BoolVar(&r.passphrase, prefix+"passphrase", false, "a passphrase may open the bundle, asked for on the terminal")
	f.StringArrayVar(&r.passphraseFiles, prefix+"passphrase-file", nil, "the passphrase in the first line of `FILE` may open the bundle (may be given more than once)")
}

// addPublicKeyFlags defines -r and -R.
func addPublicKeyFlags(f *pflag.FlagSet, r *recipientFlags) {
	f.StringArrayVarP(&r.recipients, "recipient", "r", nil, "`RECIPIENT` that may open the bundle: age1..., age1pq1..., a plugin's, or an SSH public key (may be given more than once)")
	f.StringArrayVarP(&r.files, "recipients-file", "R", nil, "`FILE` of recipients, one a line, such as authorized_keys (may be given more than once)")
}

func (r recipientFlags) parse(ui *bundle.UI) ([]bundle.Recipient, error) {
	if err := noSecrets(r.files); err != nil {
		return nil, err
	}
	to, err := bundle.ParseRecipients(r.recipients, r.files, ui)
	if as[*bundle.MixedError](err) {
		return nil, err
	}
	if err != nil {
		return nil, usage(err, r.hint())
	}
	for _, name := range r.passphraseFiles {
		p, err := bundle.ReadPassphrase(name)
		if err != nil {
			return nil, usage(err, passphraseHint)
		}
		to = append(to, p.Recipient())
	}
	if r.passphrase {
		to = append(to, bundle.AskPassphrase(ui, "New passphrase for the bundle", true).Recipient())
	}
	return to, nil
}

// hint says how to write recipients that could not be read.
func (r recipientFlags) hint() string {
	for _, s := range r.recipients {
		if onDisk(s) {
			return fmt.Sprintf("%s is a file: -R %s takes recipients from it, one a line; of a secret key, give the recipient that is in its comment, or what age-keygen -y %[1]s prints", s, shellWords([]string{s}))
		}
	}
	for _, s := range r.files {
		if strings.HasPrefix(s, "age1") || strings.HasPrefix(s, "ssh-") {
			return "-R takes the name of a file; give a recipient itself with -r"
		}
	}
	return "give recipients with -r age1... or -R FILE; satchel keygen creates one"
}
