package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/serve"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

type serveOptions struct {
	reader    readerFlags
	place     placeFlags
	namespace string
	listen    string

	tls               bool
	tlsCert, tlsKey   string
	tlsNames          []string
	writeCA           string
	htpasswd, oneWord string // files
}

func newServe(a *app) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve -i KEY [--listen HOST:PORT] DIR [DIR ...]",
		Short: "Give clients what bundles carry, as a registry that is only read",
		Long: `serve is a registry with what the bundles in each DIR carry: for looking at it,
rehearsing, scanning it with tools of the site, and the first hour of a site
without a mirror. It reads straight from the drive; nothing is stored, and
nothing can be pushed. Repositories and tags are those that unpack gives the
images in a mirror, so what render writes for --to HOST:PORT[/NAMESPACE] leads here.

Several bundles are served as one. A delta needs the bundles that it builds on;
images that are not whole are listed and not served. A damaged bundle and a
supplement of it (repair --from-source) are read together.

Without --tls-cert, satchel makes a certificate, keeps it for later runs, and
prints its fingerprint; --write-ca FILE writes it for clients.

When it serves, one line is printed, with the address. Ctrl-C ends it; do that before
the drive is unmounted, because its files stay open.`,
		Example: `  satchel serve -i inside.key /run/media/me/drive
  satchel serve -i inside.key --listen 0.0.0.0:5000 --htpasswd users --write-ca ca.crt drive1 drive2`,
		Args: someDirectories,
		RunE: func(cmd *cobra.Command, args []string) error { return runServe(cmd.Context(), a, o, args) },
	}
	f := cmd.Flags()
	addReaderFlags(f, &o.reader)
	addServeFlags(f, &o)
	return cmd
}

func addServeFlags(f *pflag.FlagSet, o *serveOptions) {
	f.StringVar(&o.listen, "listen", "127.0.0.1:5000", "listen on `HOST:PORT`; port 0 takes a free one")
	f.StringVar(&o.namespace, "namespace", "", "path, `NAMESPACE`, that comes before every repository")
	addLayoutFlags(f, &o.place, "")
	f.BoolVar(&o.tls, "tls", true, "=false serves plain HTTP, only where no other host can reach it")
	f.StringVar(&o.tlsCert, "tls-cert", "", "certificate `FILE`, PEM, with those between it and its authority")
	f.StringVar(&o.tlsKey, "tls-key", "", "private key `FILE` of the certificate, PEM")
	f.StringArrayVar(&o.tlsNames, "tls-name", nil, "further `NAME` or address of this host, for the certificate that satchel makes (may be given more than once)")
	f.StringVar(&o.writeCA, "write-ca", "", "write the certificate that satchel makes into `FILE`, for clients")
	f.StringVar(&o.htpasswd, "htpasswd", "", "`FILE` of users and passwords, as htpasswd -B writes it")
	f.StringVar(&o.oneWord, "password-file", "", "ask for the password in the first line of `FILE`; any user name will do")
}

// someDirectories takes one directory or more.
func someDirectories(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return checkCount(cmd, args, 1, "one directory or more")
	}
	if line := likelyLine(cmd, args); len(args) == 2 && line != "" {
		return usage(fmt.Errorf("%s takes directories, and one of %q and %q is not one", cmd.Name(), args[0], args[1]), "did you mean: "+line)
	}
	if err := checkOutDir(cmd); err != nil {
		return err
	}
	for i, arg := range args {
		args[i] = typedPath(arg)
		if err := checkDirectory(cmd, args[i]); err != nil {
			return err
		}
	}
	return nil
}

func runServe(ctx context.Context, a *app, o serveOptions, dirs []string) error {
	job := serve.Options{To: a.notices()}
	var err error
	if job.Place, err = o.rule(); err != nil {
		return err
	}
	if job.Passwords, err = o.passwords(); err != nil {
		return err
	}
	l, err := o.listener()
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it may be closed already
	as, err := o.identity(a)
	if err != nil {
		return err
	}
	bundles, err := o.open(ctx, a, dirs)
	if err != nil {
		return err
	}
	g, err := serve.Open(ctx, bundles, job)
	if err != nil {
		return err
	}
	o.sayOwn(a, as.own)
	if err := o.ready(a, g, l, as, different(bundles)); err != nil {
		g.Close()
		return err
	}
	return g.Run(ctx, l, as.cert)
}

// identity is what clients know the server by.
type identity struct {
	cert *tls.Certificate // nil for plain HTTP
	own  *serve.Own       // nil if satchel did not make it
}

// rule is the one that gives images their places.
func (o serveOptions) rule() (oci.Mirror, error) {
	o.place.to = "localhost:5000" // any host
	if o.namespace != "" {
		o.place.to += "/" + o.namespace
		if _, err := oci.ParseMirror(o.place.to); err != nil {
			return oci.Mirror{}, usage(fmt.Errorf("--namespace %q is not the path of a repository", o.namespace), "for example --namespace ocp")
		}
	}
	return o.place.place("serve")
}

func (o serveOptions) passwords() (p *serve.Passwords, err error) {
	switch {
	case o.htpasswd != "" && o.oneWord != "":
		return nil, usage(errors.New("--htpasswd and --password-file are two ways to say who may read"), "give one of them")
	case o.htpasswd != "":
		p, err = serve.ReadHtpasswd(o.htpasswd)
	case o.oneWord != "":
		p, err = serve.ReadPassword(o.oneWord)
	}
	if err != nil {
		err = usage(fmt.Errorf("read who may read: %w", err), "")
	}
	return p, err
}

// listener listens. Without TLS no other host may reach it.
func (o serveOptions) listener() (net.Listener, error) {
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return nil, usage(fmt.Errorf("--listen %q: write it as HOST:PORT", o.listen), "for example --listen 0.0.0.0:5000")
	}
	l, err := net.Listen("tcp", o.listen)
	if err != nil {
		return nil, usage(fmt.Errorf("--listen %s: %w", o.listen, err), "name an address of this host and a port that is free; port 0 takes any")
	}
	if at, ok := l.Addr().(*net.TCPAddr); !o.tls && (!ok || !at.IP.IsLoopback()) {
		err := usage(fmt.Errorf("--tls=false on %s: other hosts would read it in clear", o.listen), "leave out --tls=false, or listen on 127.0.0.1")
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// identity reads or makes the certificate that is served with.
func (o serveOptions) identity(a *app) (as identity, err error) {
	given := o.tlsCert != "" || o.tlsKey != ""
	switch {
	case given && (o.tlsCert == "" || o.tlsKey == ""):
		return as, usage(errors.New("--tls-cert and --tls-key go together"), "give both")
	case !o.tls && (given || o.writeCA != "" || len(o.tlsNames) > 0):
		return as, usage(errors.New("--tls=false needs no certificate"), "leave out --tls-cert, --tls-key, --tls-name and --write-ca, or --tls=false")
	case given && (o.writeCA != "" || len(o.tlsNames) > 0):
		return as, usage(errors.New("--write-ca and --tls-name are for the certificate that satchel makes"), "clients of a given certificate need the certificate of its authority")
	case !o.tls:
		return as, nil
	case !given:
		if as.own, err = o.own(a); err == nil {
			as.cert = &as.own.Certificate
		}
		return as, err
	}
	cert, err := tls.LoadX509KeyPair(o.tlsCert, o.tlsKey)
	if err != nil {
		return as, usage(fmt.Errorf("read the certificate: %w", err), "both files are PEM, and belong together")
	}
	o.warnGiven(a, cert.Leaf)
	as.cert = &cert
	return as, nil
}

// warnGiven says why clients will refuse a given certificate.
func (o serveOptions) warnGiven(a *app, cert *x509.Certificate) {
	file, now := text.Printable(o.tlsCert), time.Now()
	switch {
	case now.After(cert.NotAfter):
		a.warn("the certificate in %s has run out on %s: clients will refuse it", file, cert.NotAfter.UTC().Format(time.DateOnly))
	case now.Before(cert.NotBefore):
		a.warn("the certificate in %s is valid from %s on, by the clock of this host: clients will refuse it", file, text.Minute(cert.NotBefore))
	}
	if host, _, err := net.SplitHostPort(o.listen); err == nil && !everywhere(host) && cert.VerifyHostname(host) != nil {
		a.warn("the certificate in %s is not for %s: clients that use that will refuse it (--listen)", file, host)
	}
}

// everywhere reports whether what listens on host does on all addresses.
func everywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// own is a certificate that satchel makes.
func (o serveOptions) own(a *app) (*serve.Own, error) {
	for _, name := range o.tlsNames {
		if !serve.IsName(name) {
			return nil, usage(fmt.Errorf("--tls-name %q is not a host name or an address", name), "for example --tls-name bastion.example: without https:// and without a port")
		}
	}
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return nil, err
	}
	dir, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		a.warn("%v; the certificate is for this run alone", err)
	} else {
		dir = filepath.Join(dir, "serve")
	}
	cert, err := serve.OwnCertificate(dir, serve.NamesFor(host, o.tlsNames), time.Now())
	if err != nil {
		return nil, err
	}
	if o.writeCA != "" {
		if err := serve.WriteCA(o.writeCA, cert.PEM); err != nil {
			return nil, usage(fmt.Errorf("--write-ca: %w", err), "name a new file in a directory that is there, and that this user can write to")
		}
	}
	return cert, nil
}

// sayOwn says what clients need to know of a certificate that satchel made.
func (o serveOptions) sayOwn(a *app, own *serve.Own) {
	if own == nil {
		return
	}
	switch {
	case own.Old:
		a.warn("a new certificate was made because %s: clients that were given the old one need this one now", own.Why)
	case own.Why != "":
		a.info("a certificate was made, for later runs too, because %s", own.Why)
	}
	if len(own.Lacks) > 0 {
		a.info("the certificate is not for %s: who uses that needs --tls-name", text.Some(own.Lacks, 3))
	}
	a.info("the certificate has the SHA-256 fingerprint %s", serve.Fingerprint(own.Certificate))
	if o.writeCA != "" {
		a.info("the certificate is in %s, for clients: --ca-file of satchel, or ca.crt in certs.d/HOST:PORT of podman", text.Printable(o.writeCA))
	}
}

// trusting lists the flags of podman that let it in at host, on this host: a certificate of the site
// needs none if it is for that name.
func (as identity) trusting(host string, p *serve.Passwords) (flags []string) {
	switch {
	case as.own != nil && as.own.CADir != "":
		flags = append(flags, "--cert-dir", as.own.CADir)
	case as.own != nil || as.cert == nil || as.cert.Leaf.VerifyHostname(host) != nil:
		flags = append(flags, "--tls-verify=false")
	}
	if p != nil {
		flags = append(flags, "--creds", p.User()) // it asks for the password
	}
	return flags
}

// open opens the bundles.
func (o serveOptions) open(ctx context.Context, a *app, dirs []string) (list []*bundle.Reader, err error) {
	want, ids, err := o.reader.parse(a.ui(ctx))
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			for _, r := range list {
				err = errors.Join(err, r.Close())
			}
			list = nil
		}
	}()
	each, err := a.chooseToServe(ctx, dirs, wanted{want.Expect, o.reader.bundle, want.Trust})
	if err != nil {
		return list, err
	}
	for _, c := range each {
		r, err := a.openChoice(c, func(dirs []string) (*bundle.Reader, error) { return a.openBundle(ctx, dirs, want, ids) })
		if err != nil {
			return list, err
		}
		list = append(list, r)
		a.saySigned(r)
	}
	return list, nil
}

// different counts bundles; one may be there twice.
func different(list []*bundle.Reader) int {
	seen := map[bundle.Fingerprint]bool{}
	for _, r := range list {
		seen[r.Fingerprint()] = true
	}
	return len(seen)
}

// ready prints the line that says where it serves and how to pull.
func (o serveOptions) ready(a *app, g *serve.Registry, l net.Listener, as identity, bundles int) error {
	host, _, err := net.SplitHostPort(o.listen)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	loopback := false
	if at, ok := l.Addr().(*net.TCPAddr); ok {
		loopback = at.IP.IsLoopback()
		if at.IP.IsUnspecified() {
			host = o.called(as.cert)
		}
	}
	if !loopback && o.htpasswd == "" && o.oneWord == "" {
		a.warn("every host that reaches %s can read what the bundle carries (--htpasswd, --password-file)", l.Addr())
	}
	at, scheme := net.JoinHostPort(host, port), "https"
	if !o.tls {
		scheme = "http"
	}
	rep, host := g.Report(), readable(host)
	rep.Example.Registry = net.JoinHostPort(host, port)
	_, err = fmt.Fprintf(a.stdout, "serving %s of %s at %s://%s%s\n", text.Images(rep.Images, rep.Attached), text.Count(bundles, "bundle", "bundles"), scheme, at, pulls(rep, as.trusting(host, g.Passwords)))
	return err
}

// pulls says which images wait for drives, and how one that is here is pulled.
func pulls(rep serve.Report, flags []string) string {
	if rep.Example.Repository == "" {
		return rep.Waits()
	}
	return rep.Waits() + "; for example: " + shellWords(slices.Concat([]string{"podman", "pull"}, flags, []string{rep.Example.String()}))
}

// readable is a host as all versions of podman read it in a reference: older ones take no
// address in brackets.
func readable(host string) string {
	if host == "::1" {
		return "localhost"
	}
	return host
}

// called is a name of this host: one of the certificate that is served with, if there is one.
func (o serveOptions) called(cert *tls.Certificate) string {
	if len(o.tlsNames) > 0 {
		return o.tlsNames[0]
	}
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "localhost"
	}
	if cert == nil || cert.Leaf.VerifyHostname(name) == nil {
		return name
	}
	for _, other := range cert.Leaf.DNSNames {
		if serve.IsName(other) { // which *.example is not
			return other
		}
	}
	return name
}
