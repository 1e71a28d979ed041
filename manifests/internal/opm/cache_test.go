package opm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"
	"github.com/operator-framework/operator-registry/pkg/api"
)

// packageOf is a package whose channels have these entries.
func packageOf(channels map[string][]declcfg.ChannelEntry) *declcfg.DeclarativeConfig {
	cfg := &declcfg.DeclarativeConfig{}
	there := map[string]bool{}
	for name, entries := range channels {
		cfg.Packages = []declcfg.Package{{Schema: declcfg.SchemaPackage, Name: "p", DefaultChannel: name}}
		cfg.Channels = append(cfg.Channels, declcfg.Channel{Schema: declcfg.SchemaChannel, Package: "p", Name: name, Entries: entries})
		for _, e := range entries {
			if there[e.Name] {
				continue
			}
			there[e.Name] = true
			v := fmt.Sprintf("%d.0.0", len(there))
			cfg.Bundles = append(cfg.Bundles, declcfg.Bundle{Schema: declcfg.SchemaBundle, Package: "p", Name: e.Name, Image: "x.example/a:" + v,
				Properties: []property.Property{{Type: property.TypePackage, Value: json.RawMessage(`{"packageName":"p","version":"` + v + `"}`)}}})
		}
	}
	return cfg
}

// cached writes a package, and gives the files of the cache.
func cached(t *testing.T, c *Catalog, cfg *declcfg.DeclarativeConfig) (map[string]string, error) {
	t.Helper()
	if _, err := declcfg.ConvertToModel(*cfg); err != nil {
		t.Fatalf("it is no package: %v", err)
	}
	err := c.Package(cfg, func(_ io.Writer, each func(*declcfg.Bundle) error) error {
		for i := range cfg.Bundles {
			if err := each(&cfg.Bundles[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	files := collect{}
	_, err = c.Cache(files)
	return files, err
}

func newCatalog(t *testing.T) *Catalog {
	t.Helper()
	c, err := New(true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// TestSkipsItself has a bundle that skips itself: another one is the head.
func TestSkipsItself(t *testing.T) {
	files, err := cached(t, newCatalog(t), packageOf(map[string][]declcfg.ChannelEntry{"s": {{Name: "b", Replaces: "a"}, {Name: "a", Skips: []string{"a", "z"}}}}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"p_s_a.json": " a z", "p_s_b.json": "a "} {
		var b api.Bundle
		if err := json.Unmarshal([]byte(files[name]), &b); err != nil || b.Replaces+" "+strings.Join(b.Skips, " ") != want {
			t.Errorf("%s: replaces %q, skips %q, %v", name, b.Replaces, b.Skips, err)
		}
	}
}

// TestOneFile has two bundles for one file of the cache: either one would be lost.
func TestOneFile(t *testing.T) {
	_, err := cached(t, newCatalog(t), packageOf(map[string][]declcfg.ChannelEntry{"s": {{Name: "x_a"}}, "s_x": {{Name: "a"}}}))
	if err == nil || !strings.Contains(err.Error(), `opm's cache has the file "p_s_x_a.json" for another bundle`) {
		t.Errorf("got %v", err)
	}
}

// TestLarge writes no more than there is room for, however many channels have a bundle.
func TestLarge(t *testing.T) {
	many := map[string][]declcfg.ChannelEntry{}
	for i := range 100 {
		many[fmt.Sprint("c", i)] = []declcfg.ChannelEntry{{Name: "a"}}
	}
	c := newCatalog(t)
	c.left = 20_000
	if _, err := cached(t, c, packageOf(many)); !errors.Is(err, ErrLarge) {
		t.Errorf("got %v", err)
	}
	if n := c.configs.end + c.cache.files.end; n > 20_000 || n < 10_000 {
		t.Errorf("%d bytes were written", n)
	}
}

// collect keeps the files of a tree in memory.
type collect map[string]string

func (c collect) Dir(string, fs.FileMode) error { return nil }

func (c collect) File(name string, _ fs.FileMode, _ int64, r io.Reader) error {
	body, err := io.ReadAll(r)
	c[name] = string(body)
	return err
}
