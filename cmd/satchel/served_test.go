package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/pkg/api"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
	"github.com/satchel-airgap/satchel/transport/registrytest"
)

// opmProgram builds the server of operator-registry.
func opmProgram(t testing.TB) []byte {
	t.Helper()
	name := filepath.Join(t.TempDir(), "opm")
	cmd := proctest.Within(t, proctest.Build, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", name, "../../manifests/opmtest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build opm: %v\n%s", err, out)
	}
	return readFile(t, name)
}

// catalogImages adds an index of two platforms as catalogs are published: a program
// below, the catalog, a cache that does not fit, and something else on top.
func catalogImages(t testing.TB, c *ocitest.Content, docker bool, program []byte, run ispec.ImageConfig, files map[string][]byte) oci.Descriptor {
	t.Helper()
	dir := func(name string, mode int64) ocitest.File {
		return ocitest.File{Name: name + "/", Header: &tar.Header{Typeflag: tar.TypeDir, Mode: mode}}
	}
	layer := func(files ...ocitest.File) oci.Descriptor {
		d, err := c.Files(ocitest.LayerGzip, files...)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	base := layer(dir("bin", 0o755), ocitest.File{Name: "bin/opm", Body: program, Header: &tar.Header{Typeflag: tar.TypeReg, Mode: 0o755}}, dir("tmp", 0o1777))
	var entries []ocitest.File
	for name, body := range files {
		entries = append(entries, ocitest.File{Name: path.Join("configs", name), Body: body})
	}
	slices.SortFunc(entries, func(a, b ocitest.File) int { return strings.Compare(a.Name, b.Name) })
	stale := layer(dir("tmp", 0o1777), dir("tmp/cache", 0o777), ocitest.File{Name: "tmp/cache/digest", Body: []byte("stale")}, ocitest.File{Name: "tmp/cache/pogreb.v1/db", Body: []byte("x")})
	top := layer(dir("etc", 0o755), ocitest.File{Name: "etc/release", Body: []byte("4.18\n")})
	var images []oci.Descriptor
	for _, arch := range []string{"amd64", "arm64"} {
		images = append(images, c.Running(arch, docker, run, base, layer(append([]ocitest.File{dir("configs", 0o700)}, entries...)...), stale, top))
	}
	return c.IndexFor(docker, []string{"amd64", "arm64"}, images...)
}

// realCatalog reads packages of the data.
func realCatalog(t testing.TB, dirs ...string) map[string][]byte {
	t.Helper()
	c := fbc{dirs: dirs}
	c.read(t)
	return c.files
}

// served is a catalog image that runs.
type served struct {
	api.RegistryClient
	log *bytes.Buffer
}

// serveOPM runs an image's command in its file system, which nobody can write, as any
// user. Without an answer there is an error.
func serveOPM(t testing.TB, root string, config ispec.Image) (*served, error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	const script = `mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec chroot --userspec=1000670000:0 "$0" "$@"`
	args := slices.Concat([]string{"-m", "sh", "-c", script, root}, config.Config.Entrypoint, config.Config.Cmd, []string{"--pprof-addr=127.0.0.1:0", "--port", addr[strings.LastIndexByte(addr, ':')+1:]})
	s := &served{log: &bytes.Buffer{}}
	cmd := exec.Command("unshare", args...)
	cmd.Stdout, cmd.Stderr = s.log, s.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-ended
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
	s.RegistryClient = api.NewRegistryClient(conn)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-ended:
			ended <- err
			return s, fmt.Errorf("it ended: %v\n%s", err, s.log)
		default:
		}
		stream, err := s.ListPackages(t.Context(), &api.ListPackageRequest{})
		if err == nil {
			_, err = stream.Recv()
		}
		if err == nil {
			return s, nil
		}
		if time.Now().After(deadline) {
			return s, err
		}
	}
}

// all receives a stream.
func all[T any](t testing.TB, stream interface{ Recv() (T, error) }, err error) (list []T) {
	t.Helper()
	for err == nil {
		var one T
		if one, err = stream.Recv(); err == nil {
			list = append(list, one)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return list
}

// holds compares what is served with the catalog's files.
func (s *served) holds(t testing.TB, configs fs.FS) {
	t.Helper()
	cfg, err := declcfg.LoadFS(t.Context(), configs)
	if err != nil {
		t.Fatal(err)
	}
	m, err := declcfg.ConvertToModel(*cfg)
	if err != nil {
		t.Fatal(err)
	}
	packages, err := s.ListPackages(t.Context(), &api.ListPackageRequest{})
	if got := all(t, packages, err); len(got) != len(m) || len(got) == 0 {
		t.Errorf("serves %v, not %d packages", got, len(m))
	}
	n := 0
	for _, p := range m {
		got, err := s.GetPackage(t.Context(), &api.GetPackageRequest{Name: p.Name})
		if err != nil || got.GetDefaultChannelName() != p.DefaultChannel.Name || len(got.GetChannels()) != len(p.Channels) {
			t.Errorf("package %s: %v, %v", p.Name, got, err)
		}
		for _, ch := range p.Channels {
			for _, b := range ch.Bundles {
				n++
				got, err := s.GetBundle(t.Context(), &api.GetBundleRequest{PkgName: p.Name, ChannelName: ch.Name, CsvName: b.Name})
				if err != nil || got.GetBundlePath() != b.Image || got.GetCsvJson() == "" && b.CsvJSON != "" {
					t.Errorf("bundle %s of %s: %v, %v", b.Name, ch.Name, got, err)
				}
			}
		}
	}
	bundles, err := s.ListBundles(t.Context(), &api.ListBundlesRequest{})
	if got := all(t, bundles, err); len(got) != n {
		t.Errorf("serves %d bundles, not %d", len(got), n)
	}
}

// TestServed carries catalogs that are filtered in several ways, and has
// operator-registry's own server serve each from where nothing can be written.
func TestServed(t *testing.T) {
	t.Parallel()
	if err := proctest.Command(t, "unshare", "-m", "true").Run(); err != nil {
		t.Skipf("only root can make a file system that cannot be written: %v", err)
	}
	program := opmProgram(t)
	community := realCatalog(t, "community-v4.18/infinispan", "community-v4.18/trident-operator", "community-v4.18/kubevirt-wol", "community-v4.12/patterns-operator")
	configured := ocitest.CatalogRun()
	silent := configured
	silent.Cmd = []string{"serve", "/configs"}
	cases := []struct {
		docker bool
		run    ispec.ImageConfig
		files  map[string][]byte
		ask    string // in the configuration
		cmd    string
	}{
		{true, configured, community, "      packages: [{name: infinispan}, {name: patterns-operator, minVersion: 0.0.20}]\n", "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{false, silent, community, "      full: true\n      packages: [{name: trident-operator}]\n", "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{true, configured, realCatalog(t, "redhat/aws-load-balancer-operator", "redhat/node-observability-operator"), "", "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{false, configured, realCatalog(t, "okd-multi-file/oadp-operator", "okd-multi-file/odf-operator"), "      full: true\n      packages: [{name: odf-operator}, {name: oadp-operator}]\n", "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
	}
	c, source, mirror := ocitest.New(511), registrytest.Start(t), registrytest.Start(t)
	w := newWorld(t)
	config := "  blockedImages: [{name: '^[a-z0-9.-]+[.][a-z]+/'}]\n  operators:\n"
	for i, tc := range cases {
		root := catalogImages(t, c, tc.docker, program, tc.run, tc.files)
		config += fmt.Sprintf("    - catalog: %s\n%s", push(t, c, root, source.Host, fmt.Sprint("cat/", i), "v4"), tc.ask)
	}
	w.imageset(config)
	w.run(w.pack()...).want(exitOK)
	w.run(w.unpack(mirror.Host)...).want(exitOK)
	for i, tc := range cases {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := mirroredRepo{mirror.Host, fmt.Sprint("cat/", i)}
			images := p.images(t, p.root(t, "v4"))
			dir := t.TempDir()
			other := p.unpacked(t, images[1], filepath.Join(dir, "arm64"))
			config := p.unpacked(t, images[0], filepath.Join(dir, "amd64"))
			if got := strings.Join(config.Config.Cmd, " "); got != tc.cmd || got != strings.Join(other.Config.Cmd, " ") {
				t.Errorf("it runs %s", got)
			}
			s, err := serveOPM(t, filepath.Join(dir, "amd64"), config)
			if err != nil {
				t.Fatal(err)
			}
			s.holds(t, os.DirFS(filepath.Join(dir, "amd64", "configs")))
			if strings.Contains(s.log.String(), "rebuild") {
				t.Errorf("the cache does not fit: %s", s.log)
			}
			if err := os.WriteFile(filepath.Join(dir, "amd64", "configs", "more.json"), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := serveOPM(t, filepath.Join(dir, "amd64"), config); err == nil { // which shows that the cache was read
				t.Error("another catalog is served from the same cache")
			}
		})
	}
}
