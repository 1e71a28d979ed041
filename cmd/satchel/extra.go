package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
)

// Variables of the environment, as oc-mirror reads them.
const (
	envSignatureURL = "OCP_SIGNATURE_URL"             // where releases' signatures are
	envSignatureKey = "OCP_SIGNATURE_VERIFICATION_PK" // file of the public keys that sign them
)

// addExtraFlags defines what pack and plan take beside the configuration.
func addExtraFlags(f *pflag.FlagSet, x *manifests.Extra) {
	f.BoolVar(&x.IgnoreReleaseSignature, "ignore-release-signature", false, "carry releases without looking at their signature: nothing then says that they are genuine ("+envSignatureURL+" and "+envSignatureKey+" name another store and key)")
	x.UpdateURL = os.Getenv("UPDATE_URL_OVERRIDE") // as for oc-mirror
	f.Var(graphData{&x.GraphData}, "graph-data", "make the graph image (mirror.platform.graph) of the graph data at another address or in a file, `URL|FILE` (default: what Red Hat publishes, or what is beside the graph of UPDATE_URL_OVERRIDE)")
	f.Var(graphBase{&x.GraphBase}, "graph-base", "make the graph image from `IMAGE`, which has bash and cp (default: registry.access.redhat.com/ubi9/ubi-minimal:latest)")
	f.StringArrayVar(&x.AcceptRisks, "accept-risk", nil, "with shortestPath, take conditional updates that have the risk `NAME`, and no other that is not accepted; may be repeated")
	f.BoolVar(&x.WithDependencies, "with-dependencies", false, "add the operators that the chosen ones require, from the same catalogs")
	f.Var(chartValues{&x.HelmValues}, "helm-values", "render the Helm chart of that name with the values in FILE, as `CHART=FILE` (may be given more than once)")
	f.StringArrayVar(&x.PodFiles, "from-pods", nil, "also carry what the pods of a running cluster use: `FILE` is what oc get pods -A -o json wrote, or a must-gather directory (may be given more than once)")
}

// addEnvironment adds what the environment says of releases, if one is asked for.
// What it names must be right: nothing takes its place.
func addEnvironment(cfg *manifests.Config) error {
	pf, x := cfg.Mirror.Platform, &cfg.Extra
	if pf.Release == "" && len(pf.Channels) == 0 || x.IgnoreReleaseSignature {
		return nil
	}
	if store := os.Getenv(envSignatureURL); store != "" {
		if err := manifests.CheckSignatureStore(store); err != nil {
			return usage(fmt.Errorf("%s: %w", envSignatureURL, err), "give the address above the sha256=... of signatures, such as https://HOST/PATH")
		}
		x.SignatureURL = store
	}
	file := os.Getenv(envSignatureKey)
	if file == "" {
		return nil
	}
	keys, err := readKeys(file)
	if err == nil {
		err = manifests.CheckSignatureKeys(keys)
	}
	if err != nil {
		return usage(fmt.Errorf("%s: read public key %s: %w", envSignatureKey, file, err), "name a file with the armoured public key (gpg --armor --export), or unset it to trust Red Hat's keys")
	}
	x.SignatureKeys = keys
	return nil
}

// readKeys reads a file of keys, which are small.
func readKeys(name string) (keys string, err error) {
	const most = 1 << 20
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && len(b) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	return string(b), err
}

// readExtra reads the files that the flags name.
func readExtra(e *manifests.Extra) error {
	if len(e.PodFiles) == 0 {
		return nil
	}
	set := manifests.NewPods()
	for _, name := range e.PodFiles {
		if err := readPods(set, name); err != nil {
			return usage(fmt.Errorf("read pods from %s: %w", name, err), "--from-pods takes what oc get pods -A -o json (or -o yaml) writes, or an extracted must-gather")
		}
	}
	e.Pods, e.PodNotes = set.Images()
	return nil
}

// readPods reads a file, or a directory.
func readPods(set *manifests.Pods, name string) (err error) {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(set.Read(f), f.Close())
	}
	dir, err := filepath.Abs(name)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	return errors.Join(set.ReadDir(root.FS(), filepath.Base(dir)), root.Close())
}

// words are the flags as they were given, for a command that is to be run later.
func words(e manifests.Extra) (s string) {
	for _, name := range e.PodFiles {
		s += " --from-pods " + name
	}
	if g := e.GraphData; g.URL+g.File != "" {
		s += " --graph-data " + g.URL + g.File
	}
	if e.GraphBase != (oci.Ref{}) {
		s += " --graph-base " + e.GraphBase.String()
	}
	for _, risk := range e.AcceptRisks {
		s += " --accept-risk " + risk
	}
	if e.WithDependencies {
		s += " --with-dependencies"
	}
	if e.IgnoreReleaseSignature {
		s += " --ignore-release-signature"
	}
	for _, v := range e.HelmValues {
		s += " --helm-values " + v.Chart + "=" + v.File
	}
	return s
}
