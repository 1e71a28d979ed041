package opm

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/operator-framework/operator-registry/alpha/declcfg"
	theirs "github.com/operator-framework/operator-registry/pkg/cache"

	"github.com/satchel-airgap/satchel/manifests/internal/asktest"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/oci/ocitest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

const realData = "../../../../shared/data/fbc"

// disk writes a tree to a directory.
type disk struct{ dir string }

func (d disk) Dir(name string, mode fs.FileMode) error {
	p := filepath.Join(d.dir, name)
	return errors.Join(os.MkdirAll(p, 0o700), os.Chmod(p, mode))
}

func (d disk) File(name string, mode fs.FileMode, size int64, r io.Reader) error {
	p := filepath.Join(d.dir, name)
	body, err := io.ReadAll(r)
	if err == nil && int64(len(body)) != size {
		err = fmt.Errorf("%s has %d bytes, not %d", name, len(body), size)
	}
	return errors.Join(err, os.WriteFile(p, body, 0o600), os.Chmod(p, mode))
}

// tree reads files, by their path from dir on.
func tree(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		body, err := os.ReadFile(p)
		files[strings.TrimPrefix(p, dir)] = body
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// made filters every package of a catalog, those that can be, and gives what is served.
func made(t *testing.T, files map[string][]byte, req filter.Request) *Catalog {
	t.Helper()
	content := ocitest.New(1)
	image, err := content.Catalog("amd64", files)
	if err != nil {
		t.Fatal(err)
	}
	if image, err = layers.Pick(t.Context(), content, image); err != nil {
		t.Fatal(err)
	}
	parsed, err := catalog.Parse(t.Context(), "catalog x", content, image, "/configs", nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	if err := errors.Join(parsed.Write(&lines), parsed.Close()); err != nil {
		t.Fatal(err)
	}
	c, err := New(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	var again catalog.Reader
	if r, err := catalog.NewReader(bytes.NewReader(lines.Bytes())); err != nil {
		t.Fatal(err)
	} else {
		again = *r
	}
	err = catalog.Read(bytes.NewReader(lines.Bytes()), func(p *catalog.Package, docs *catalog.Documents) error {
		_, full, err := again.Next()
		if err != nil {
			return err
		}
		cfg, err := docs.Config()
		if err != nil || p.Name == "" {
			return err
		}
		out, err := filter.Package(cfg, req)
		var odd *filter.Error
		if errors.As(err, &odd) {
			return nil
		}
		return c.Package(&out.Config, func(w io.Writer, each func(*declcfg.Bundle) error) error {
			return full.WriteFiltered(w, &out.Config, func(m *declcfg.Meta) (bool, error) {
				if m.Schema != declcfg.SchemaBundle {
					return true, nil
				}
				b, err := catalog.Full(m)
				if err != nil {
					return false, err
				}
				return true, each(b)
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTheirs holds every file of the cache against the one that operator-registry
// makes of the same catalog, and has it check the digest.
func TestTheirs(t *testing.T) {
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
	for _, name := range []string{"community-v4.12", "community-v4.16", "community-v4.18/infinispan", "community-v4.18/trident-operator", "okd-multi-file", "redhat", "custom-schema", "deprecations"} {
		for i, req := range []filter.Request{{}, {Full: true}} {
			t.Run(fmt.Sprint(name, i), func(t *testing.T) {
				c := made(t, tree(t, filepath.Join(realData, name)), req)
				dir := t.TempDir()
				configs, ours := filepath.Join(dir, "configs"), filepath.Join(dir, "ours")
				if err := c.Configs(disk{configs}); err != nil {
					t.Fatal(err)
				}
				sum, err := c.Cache(disk{filepath.Join(ours, "cache")})
				if err := errors.Join(err, os.WriteFile(filepath.Join(ours, "digest"), []byte(sum), 0o600)); err != nil {
					t.Fatal(err)
				}
				compare(t, configs, ours, filepath.Join(dir, "theirs"))
			})
		}
	}
}

// TestOldestCache has the oldest opm that a supported OpenShift ships read the cache, which
// it must not build itself.
func TestOldestCache(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
	opm := asktest.OldestOpm(t)
	for _, name := range []string{"community-v4.16", "redhat", "custom-schema"} {
		c, dir := made(t, tree(t, filepath.Join(realData, name)), filter.Request{Full: true}), t.TempDir()
		configs, ours := filepath.Join(dir, "configs"), filepath.Join(dir, "ours")
		if err := c.Configs(disk{configs}); err != nil {
			t.Fatal(err)
		}
		sum, err := c.Cache(disk{filepath.Join(ours, "cache")})
		if err := errors.Join(err, os.WriteFile(filepath.Join(ours, "digest"), []byte(sum), 0o600)); err != nil {
			t.Fatal(err)
		}
		for _, enforced := range []string{"", "0"} {
			if err := os.WriteFile(filepath.Join(ours, "digest"), []byte(sum+enforced), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := proctest.Command(t, opm, "serve", configs, "--cache-dir", ours, "--cache-enforce-integrity", "--cache-only", "--termination-log", filepath.Join(dir, "log")).CombinedOutput()
			if (err == nil) != (enforced == "") {
				t.Errorf("%s, another digest %t: %v: %s", name, enforced != "", err, out)
			}
		}
	}
}

func compare(t *testing.T, configs, ours, dir string) {
	t.Helper()
	b, err := theirs.New(dir, theirs.WithFormat(theirs.FormatJSON))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Build(t.Context(), os.DirFS(configs)); err != nil {
		t.Fatal(err)
	}
	want, got := tree(t, filepath.Join(dir, "cache")), tree(t, filepath.Join(ours, "cache"))
	if len(want) != len(got) || len(want) < 2 {
		t.Errorf("%d files, not %d", len(got), len(want))
	}
	for name, body := range want {
		if !bytes.Equal(got[name], body) {
			t.Errorf("%s is another: %.2000s\nwant %.2000s", name, got[name], body)
		}
	}
	opened, err := theirs.New(ours)
	if err != nil {
		t.Fatal(err)
	}
	if err := opened.CheckIntegrity(t.Context(), os.DirFS(configs)); err != nil {
		t.Error(err)
	}
	if err := opened.Load(t.Context()); err != nil {
		t.Error(err)
	}
	a, err := opened.ListBundles(t.Context())
	if err != nil || len(a) != len(got)-1 {
		t.Errorf("%d bundles of %d files: %v", len(a), len(got), err)
	}
}

func TestCommand(t *testing.T) {
	tests := []struct {
		name            string
		entrypoint, cmd []string
		want            Command
		arguments       string
	}{
		{"with a directory", []string{"/bin/opm"}, []string{"serve", "/configs", "--cache-dir=/tmp/cache"},
			Command{Serves: true, Program: "opm", CacheDir: "/tmp/cache"}, "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{"in two arguments", nil, []string{"opm", "serve", "/configs", "--cache-dir", "cache/"},
			Command{Serves: true, Program: "opm", CacheDir: "/cache"}, "opm serve /configs --cache-dir cache/ --cache-enforce-integrity=false"},
		{"without a directory", []string{"/bin/opm"}, []string{"serve", "/configs"},
			Command{Serves: true, Program: "opm"}, "serve /configs --cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{"enforced", []string{"/bin/opm"}, []string{"serve", "/configs", "--cache-dir=/c", "--cache-enforce-integrity"},
			Command{Serves: true, Program: "opm", CacheDir: "/c"}, "serve /configs --cache-dir=/c --cache-enforce-integrity"},
		{"all in the entrypoint", []string{"/bin/opm", "serve", "/configs"}, nil,
			Command{Serves: true, Program: "opm"}, "--cache-dir=/tmp/cache --cache-enforce-integrity=false"},
		{"a shell", nil, []string{"/bin/sh", "-c", "opm serve /configs"}, Command{}, ""},
		{"nothing", nil, nil, Command{}, ""},
	}
	for _, tc := range tests {
		got := ReadCommand(ispec.ImageConfig{Entrypoint: tc.entrypoint, Cmd: tc.cmd})
		if got.Serves != tc.want.Serves || got.Program != tc.want.Program || got.CacheDir != tc.want.CacheDir {
			t.Errorf("%s: got %+v", tc.name, got)
		}
		before := slices.Clone(tc.cmd)
		if args := strings.Join(got.Arguments(CacheDirBeside("/configs"), true), " "); got.Serves && args != tc.arguments {
			t.Errorf("%s: got %s", tc.name, args)
		}
		if args := strings.Join(got.Arguments("/c", false), " "); strings.Contains(tc.arguments, "=false") == strings.Contains(args, flagEnforce) && got.Serves && tc.name != "enforced" {
			t.Errorf("%s: a program that does not know the option is given %s", tc.name, args)
		}
		if !slices.Equal(before, tc.cmd) {
			t.Errorf("%s: the command was changed", tc.name)
		}
	}
}

// TestCommandDir finds what is served among flags and their values.
func TestCommandDir(t *testing.T) {
	for line, want := range map[string]string{
		"opm serve /configs":                                  "/configs",
		"opm serve configs/":                                  "/srv/x/configs",
		"opm serve ../../configs --debug":                     "/configs",
		"opm --skip-tls serve -p 5 --termination-log /t /c":   "/c",
		"opm serve --cache-dir /tmp/cache --cache-only -- /c": "/c",
		"opm serve --unknown /c":                              "/c",
		"opm serve --unknown value /c":                        "",
		"opm serve":                                           "",
		"serve /c":                                            "/c",
	} {
		all := strings.Fields(line)
		for n := range len(all) + 1 {
			c := ReadCommand(ispec.ImageConfig{Entrypoint: all[:n], Cmd: all[n:], WorkingDir: "/srv/x"})
			if c.Dir != want {
				t.Errorf("%s: serves %q, not %q", line, c.Dir, want)
			}
			if want == "" {
				continue
			}
			d := c.Serving("/other")
			got := ReadCommand(ispec.ImageConfig{Entrypoint: d.Entrypoint(), Cmd: d.Arguments("", true)})
			if got.Dir != "/other" || len(d.Entrypoint()) != n || !slices.Equal(all, strings.Fields(line)) {
				t.Errorf("%s, %d in the entrypoint: became %q, %q", line, n, d.Entrypoint(), d.Arguments("", true))
			}
		}
	}
}
