package filter

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/operator-framework/operator-registry/alpha/declcfg"
)

// unreadable leaves out the bundles without a version.
func unreadable(cfg *declcfg.DeclarativeConfig) (*declcfg.DeclarativeConfig, []Fault) {
	var faults []Fault
	for i := range cfg.Bundles {
		if _, err := versionOf(&cfg.Bundles[i]); err != nil {
			faults = append(faults, Fault{cfg.Bundles[i].Name, oneLine(err)})
		}
	}
	return without(cfg, faults), faults
}

// without gives a package without the bundles that have faults.
func without(cfg *declcfg.DeclarativeConfig, faults []Fault) *declcfg.DeclarativeConfig {
	if len(faults) == 0 {
		return cfg
	}
	out := *cfg
	out.Bundles = slices.DeleteFunc(slices.Clone(cfg.Bundles), func(b declcfg.Bundle) bool {
		return slices.ContainsFunc(faults, func(f Fault) bool { return f.Bundle == b.Name })
	})
	return &out
}

// culprits finds the bundles for which operator-registry refuses a package: those that
// it refuses alone, and of two of one version the one whose name is lower.
func culprits(cfg *declcfg.DeclarativeConfig) (faults []Fault) {
	versions := map[string]string{}
	for _, b := range sorted(cfg.Bundles) {
		if err := alone(cfg, b); err != nil {
			faults = append(faults, Fault{b.Name, "operator-registry refuses it: " + oneLine(err)})
			continue
		}
		v, err := versionOf(&b)
		if err != nil {
			continue
		}
		if other, ok := versions[v.String()]; ok {
			faults = append(faults, Fault{other, fmt.Sprintf("bundle %q has the same version, %s, which operator-registry refuses", b.Name, v)})
		}
		versions[v.String()] = b.Name
	}
	return faults
}

func sorted(list []declcfg.Bundle) []declcfg.Bundle {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b declcfg.Bundle) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// alone asks operator-registry for a package that has one bundle.
func alone(cfg *declcfg.DeclarativeConfig, b declcfg.Bundle) error {
	const channel = "c"
	pkg := cfg.Packages[0]
	pkg.DefaultChannel = channel
	return modelled(declcfg.DeclarativeConfig{Packages: []declcfg.Package{pkg}, Bundles: []declcfg.Bundle{b},
		Channels: []declcfg.Channel{{Schema: declcfg.SchemaChannel, Package: pkg.Name, Name: channel, Entries: []declcfg.ChannelEntry{{Name: b.Name}}}}})
}

// askedFor gives the faults of bundles that a request means: of those that have no
// version, everything that is asked for whole.
func askedFor(faults []Fault, req Request, cfg *declcfg.DeclarativeConfig) []Fault {
	return slices.DeleteFunc(faults, func(fault Fault) bool {
		i := slices.IndexFunc(cfg.Bundles, func(b declcfg.Bundle) bool { return b.Name == fault.Bundle })
		_, err := versionOf(&cfg.Bundles[i])
		return err != nil && !req.Full
	})
}

// modelled asks operator-registry's model.
func modelled(cfg declcfg.DeclarativeConfig) error {
	cfg.Bundles = slices.Clone(cfg.Bundles)
	for i := range cfg.Bundles { // which the model rewrites
		cfg.Bundles[i].Properties = slices.Clone(cfg.Bundles[i].Properties)
	}
	_, err := declcfg.ConvertToModel(cfg)
	return err
}

// check asks operator-registry, and what an older one refuses.
func (f *filter) check() error {
	if err := modelled(f.out.Config); err != nil {
		return &Error{Why: "operator-registry refuses it: " + oneLine(err)}
	}
	for _, c := range f.out.Config.Channels {
		if why := faultOf(c.Entries); why != "" {
			return &Error{Channel: c.Name, Why: errors.New("operator-registry refuses its updates: " + why).Error()}
		}
	}
	return nil
}
