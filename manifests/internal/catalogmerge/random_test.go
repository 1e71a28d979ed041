package catalogmerge

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
	"github.com/operator-framework/operator-registry/alpha/property"

	"github.com/satchel-airgap/satchel/manifests/internal/filter"
)

// history is a catalog's package in the course of weeks: channels as rows of versions.
type history struct {
	rnd      *rand.Rand
	next     int
	comes    int                               // channels
	channels map[string][]declcfg.ChannelEntry // the head last
	rude     bool                              // versions may go without a trace
}

func newHistory(rnd *rand.Rand) *history {
	h := &history{rnd: rnd, channels: map[string][]declcfg.ChannelEntry{}}
	for c := range 1 + rnd.IntN(3) {
		name := fmt.Sprint("c", c)
		for range 1 + rnd.IntN(5) {
			h.grow(name)
		}
	}
	return h
}

// grow puts a version on top of a channel.
func (h *history) grow(channel string) {
	h.next++
	e := declcfg.ChannelEntry{Name: fmt.Sprintf("p.v%d.%d.0", h.next/5, h.next%5)}
	if list := h.channels[channel]; len(list) > 0 {
		e.Replaces = list[len(list)-1].Name
	}
	if h.rnd.IntN(3) == 0 {
		e.SkipRange = ">=0.0.0 <" + strings.TrimPrefix(e.Name, "p.v")
	}
	h.channels[channel] = append(h.channels[channel], e)
}

// week lets time go by.
func (h *history) week() {
	for _, name := range h.names() {
		list := h.channels[name]
		switch h.rnd.IntN(8) {
		case 0, 1:
			h.grow(name)
		case 2: // withdrawn, and skipped by the one above
			if i := h.rnd.IntN(len(list)); i < len(list)-1 {
				up := &list[i+1]
				up.Replaces, up.Skips = list[i].Replaces, append(slices.Clone(up.Skips), list[i].Name)
				h.channels[name] = slices.Delete(slices.Clone(list), i, i+1)
			}
		case 3: // the lower end is cut off
			h.channels[name] = list[h.rnd.IntN(len(list)):]
		case 4: // a channel goes
			if len(h.channels) > 1 {
				delete(h.channels, name)
			}
		case 5: // a channel comes, from another
			h.comes++
			h.channels[fmt.Sprint("n", h.comes)] = slices.Clone(list)
		case 6:
			if h.rude {
				h.channels[name] = slices.Delete(slices.Clone(list), len(list)-1, len(list))
			}
		}
		if len(h.channels[name]) == 0 {
			delete(h.channels, name)
		}
	}
}

func (h *history) names() (list []string) {
	for name := range h.channels {
		list = append(list, name)
	}
	slices.Sort(list)
	return list
}

// now is the package as the catalog has it; nil if nothing is left.
func (h *history) now() *declcfg.DeclarativeConfig {
	cfg := &declcfg.DeclarativeConfig{}
	seen := map[string]bool{}
	for _, name := range h.names() {
		cfg.Channels = append(cfg.Channels, declcfg.Channel{Schema: declcfg.SchemaChannel, Package: "p", Name: name, Entries: slices.Clone(h.channels[name])})
		for _, e := range h.channels[name] {
			if !seen[e.Name] {
				seen[e.Name] = true
				cfg.Bundles = append(cfg.Bundles, bundle(strings.TrimPrefix(e.Name, "p.v"), ""))
			}
		}
	}
	if len(cfg.Channels) == 0 {
		return nil
	}
	cfg.Packages = []declcfg.Package{{Schema: declcfg.SchemaPackage, Name: "p", DefaultChannel: cfg.Channels[0].Name}}
	return cfg
}

// request is something that may be asked of a package.
func request(rnd *rand.Rand, cfg *declcfg.DeclarativeConfig) filter.Request {
	switch rnd.IntN(5) {
	case 0:
		return filter.Request{Full: true}
	case 1:
		return filter.Request{Range: filter.Range{Min: "0.0.0"}}
	case 2:
		return filter.Request{Channels: []filter.Channel{{Name: cfg.Channels[rnd.IntN(len(cfg.Channels))].Name}}}
	case 3:
		return filter.Request{Only: true}
	}
	return filter.Request{}
}

// TestWeeks packs a catalog that changes, week after week, and what the mirror has never
// becomes less. Only where versions go without a trace may it be refused, and then the
// next week goes on from what was.
func TestWeeks(t *testing.T) {
	t.Parallel()
	const seed, histories, weeks = 20261129, 120, 12
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	packed, refused := 0, 0
	for i := range histories {
		h := newHistory(rnd)
		h.rude = i%2 == 1
		first, err := filter.Package(h.now(), filter.Request{})
		if err != nil {
			t.Fatal(err)
		}
		kept := &first.Config
		for range weeks {
			h.week()
			today := h.now()
			req := filter.Request{Only: true}
			if today != nil {
				req = request(rnd, today)
			}
			_, out, err := joined(today, kept, req)
			if err != nil {
				if refused++; !h.rude {
					t.Fatalf("history %d: %v\ntoday %q\nkept %q", i, err, said(today), said(kept))
				}
				continue
			}
			packed++
			checkWeek(t, today, kept, out)
			again, same, err := joined(today, out, req)
			if err != nil || !slices.Equal(said(same), said(out)) {
				t.Fatalf("history %d: again %v: %q, not %q (%+v)", i, err, said(same), said(out), again)
			}
			kept = out
		}
	}
	t.Logf("%d packed, %d refused", packed, refused)
	if packed < 900 || refused == 0 {
		t.Error("the histories are of one kind")
	}
}

// checkWeek holds what is packed against what was there before, and what the catalog says.
func checkWeek(t *testing.T, today, kept, out *declcfg.DeclarativeConfig) {
	t.Helper()
	modelled(t, out)
	for _, c := range kept.Channels {
		i := slices.IndexFunc(out.Channels, func(o declcfg.Channel) bool { return o.Name == c.Name })
		for _, e := range c.Entries {
			if i < 0 || !hasEntry(out.Channels[i], e.Name) {
				t.Fatalf("%s of %s is gone: %q, from %q and %q", e.Name, c.Name, said(out), said(today), said(kept))
			}
		}
	}
	if len(out.Bundles) < len(kept.Bundles) {
		t.Fatalf("%d bundles, after %d", len(out.Bundles), len(kept.Bundles))
	}
}

const realData = "../../../../shared/data/fbc"

// TestRealCatalogs lets versions and channels of published packages go, one after the other,
// and joins them with what was carried before.
func TestRealCatalogs(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(realData); err != nil {
		t.Skipf("the catalogs of other projects are not here: %v", err)
	}
	packages, joinedOnes := 0, 0
	for _, dir := range []string{"community-v4.18", "okd-multi-file", "redhat"} {
		dirs, err := os.ReadDir(filepath.Join(realData, dir))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range dirs {
			if !d.IsDir() {
				continue
			}
			cfg := realPackage(t, filepath.Join(realData, dir, d.Name()))
			all, err := filter.Package(cfg, filter.Request{Full: true})
			if err != nil {
				continue // of catalogs that come in parts
			}
			packages++
			for i := range cfg.Channels {
				joinedOnes += withoutOne(t, cfg, &all.Config, i)
			}
		}
	}
	if packages < 5 || joinedOnes < 10 {
		t.Errorf("%d packages, %d joined", packages, joinedOnes)
	}
}

// withoutOne takes a channel, and then single versions of it, out of today's package.
func withoutOne(t *testing.T, cfg, kept *declcfg.DeclarativeConfig, channel int) (n int) {
	t.Helper()
	less := *cfg
	if len(cfg.Channels) > 1 {
		less.Channels = slices.Delete(slices.Clone(cfg.Channels), channel, channel+1)
		less.Packages = slices.Clone(cfg.Packages)
		less.Packages[0].DefaultChannel = less.Channels[0].Name
		_, out, err := joined(&less, kept, filter.Request{})
		if err != nil {
			t.Fatalf("%s without channel %s: %v", cfg.Packages[0].Name, cfg.Channels[channel].Name, err)
		}
		checkWeek(t, &less, kept, out)
		n++
	}
	entries := cfg.Channels[channel].Entries
	for i := 0; i < len(entries); i += 5 {
		less.Packages, less.Channels = cfg.Packages, slices.Clone(cfg.Channels)
		less.Channels[channel].Entries = slices.Delete(slices.Clone(entries), i, i+1)
		_, out, err := joined(&less, kept, filter.Request{})
		if err != nil {
			continue // its head, or what nothing updates
		}
		checkWeek(t, &less, kept, out)
		n++
	}
	return n
}

func realPackage(t *testing.T, dir string) *declcfg.DeclarativeConfig {
	t.Helper()
	cfg, err := declcfg.LoadFS(t.Context(), os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	for i := range cfg.Bundles {
		b := &cfg.Bundles[i]
		b.CsvJSON, b.Objects = "", nil
		b.Properties = slices.DeleteFunc(b.Properties, func(p property.Property) bool { return p.Type != property.TypePackage })
	}
	return cfg
}
