package main

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/baseline"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/hub"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/ledger"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci/text"
)

// hub finds out whether the registries.conf that was named is one that unpack wrote: then
// everything comes from the mirror that it leads to. nil: it is not.
func (a *app) hub(r registryFlags) (*manifests.Hub, error) {
	conf := cmp.Or(r.registriesConf, os.Getenv("CONTAINERS_REGISTRIES_CONF"))
	if conf == "" {
		return nil, nil
	}
	h, of, err := hub.Beside(conf)
	if h != nil {
		a.info("everything comes from %s, as the files of unpack beside %s say; no other server is asked", h.Mirror, text.Printable(conf))
		stream := ""
		if of.Stream != "" {
			stream = fmt.Sprintf(", %d of the stream %s", of.Sequence, text.Printable(of.Stream))
		}
		a.info("%s is of bundle %s%s", hub.Name, text.Printable(of.ID), stream)
	}
	return h, err
}

// notOfHub refuses the receipt of the hub's own mirror: what that has, the next one may lack. A
// mirror behind it can have the same name, but gets bundles that this host packed.
func notOfHub(h *manifests.Hub, state string, r baseline.Receipt) error {
	if h == nil || r.Mirror.String() != h.Mirror.String() {
		return nil
	}
	own, err := ledger.All(state)
	if err != nil || slices.ContainsFunc(own, func(l *ledger.Ledger) bool { return l.ID == r.Stream.Ledger }) {
		return err
	}
	return usage(fmt.Errorf("the receipt of bundle %s is of %s, which this bundle is packed from", r.Bundle, h.Mirror),
		"name a receipt of the mirror that the bundle is for")
}
