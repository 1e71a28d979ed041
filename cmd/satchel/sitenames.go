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
	f.Var(givenValue{&s.site, "NAME"}, "site", "the site that it arrived at, where one bundle goes to several: any `NAME` (default: of a receipt its mirror; of a fingerprint all sites)")
	f.Var(givenValue{&s.gone, "NAME"}, "forget-site", "take the site of that `NAME` out of the ledgers: it gets no bundles any more")
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
