package main

import (
	"errors"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/oci/text"
)

// siteNames say at which of several sites bundles arrived.
type siteNames struct{ site, gone string }

func addSiteNames(f *pflag.FlagSet, s *siteNames) {
	f.Var(givenValue{&s.site, "NAME"}, "site", "the site that it arrived at, where one bundle goes to several: any `NAME` (default: of a receipt its mirror; of a fingerprint the one that is known); all: at every one")
	f.Var(givenValue{&s.gone, "NAME"}, "forget-site", "take the site of that `NAME` out of the ledgers: it gets no bundles any more")
}

// warnSites names sites that may be one: as long as one of them is behind, bundles are larger.
func (a *app) warnSites(at map[string]*ledger.Bundle, sites int) {
	if sites > 0 && len(at) > sites {
		a.warn("%d sites are known, and --sites says %d: if one of them is gone or is another one's second name, satchel confirm --forget-site takes it out", len(at), sites)
	}
	if b := at[""]; b != nil {
		a.warn("bundle %d was confirmed without the name of a site, and counts as a site of its own, %s: confirm it for its site (satchel confirm --site NAME FINGERPRINT), then satchel confirm --forget-site %[2]s", b.Sequence, ledger.Unnamed)
	}
}

// forgetSite takes a site out of the ledgers of this host.
func forgetSite(a *app, args []string, s siteNames) error {
	if len(args) > 0 || s.site != "" {
		return usage(errors.New("--forget-site goes alone: it confirms nothing"), "")
	}
	state, err := xdg("XDG_STATE_HOME", ".local/state")
	if err != nil {
		return usage(fmt.Errorf("find the directory of the ledgers: %w", err), "set HOME or XDG_STATE_HOME")
	}
	streams, err := ledger.ForgetSite(state, s.gone)
	for _, stream := range streams {
		a.info("the stream %s has no site %s any more", stream, text.Printable(s.gone))
	}
	return err
}
