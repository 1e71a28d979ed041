// Package available lists what a configuration can name: releases by the update graphs, and
// operators by their catalogs, so that nobody has to guess.
package available

import (
	"context"
	"errors"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/prepare"
	"github.com/satchel-airgap/satchel/manifests"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/satchel-airgap/satchel/transport"
)

// Host is with what the questions are asked. Each question closes its client and its cache.
type Host struct {
	notice.To
	Client *transport.Client
	Cache  *cache.Cache
}

// ask begins questions about what a configuration has.
func (h Host) ask(cfg *manifests.Config) (*prepare.Set, manifests.Images, error) {
	set := prepare.New(prepare.Options{To: h.To, Config: cfg, Client: h.Client, Cache: h.Cache})
	images, err := set.Asks()
	if err != nil {
		set.Close()
	}
	return set, images, err
}

// Releases lists channels, or the releases of one.
func Releases(ctx context.Context, h Host, q manifests.ReleaseQuery) (*manifests.ReleaseList, error) {
	set, images, err := h.ask(&manifests.Config{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	return manifests.ListReleases(ctx, q, images)
}

// Operators lists the packages of a catalog, or one of them.
func Operators(ctx context.Context, h Host, catalog, pkg, channel string) (*manifests.OperatorList, error) {
	cfg := &manifests.Config{Mirror: manifests.Mirror{Operators: []manifests.Operator{{Catalog: catalog}}}}
	set, images, err := h.ask(cfg)
	if err != nil {
		return nil, err
	}
	defer set.Close()
	return manifests.ListOperators(ctx, &cfg.Mirror.Operators[0], pkg, channel, images)
}

// Catalog is a catalog that clusters have by default.
type Catalog struct {
	Catalog string        `json:"catalog"`
	Digest  digest.Digest `json:"digest,omitempty"`
	Problem string        `json:"problem,omitempty"` // why it cannot be read here
}

// Catalogs asks for the default catalogs of a version of OpenShift. The error is that of all, if none
// can be read.
func Catalogs(ctx context.Context, h Host, version string) ([]Catalog, error) {
	refs, err := manifests.DefaultCatalogs(version)
	if err != nil {
		return nil, err
	}
	set, images, err := h.ask(&manifests.Config{})
	if err != nil {
		return nil, err
	}
	defer set.Close()
	var list []Catalog
	var errs []error
	for _, name := range refs {
		c := Catalog{Catalog: name}
		ref, err := oci.ParseRef(name)
		if err != nil {
			return nil, err
		}
		root, _, err := images.Resolve(ctx, ref)
		if cerr := ctx.Err(); cerr != nil {
			return nil, cerr
		}
		if c.Digest = root.Digest; err != nil {
			c.Digest, c.Problem = "", text.OneLine(err.Error())
			errs = append(errs, err)
		}
		list = append(list, c)
	}
	if len(errs) == len(list) {
		return nil, errors.Join(errs...)
	}
	return list, nil
}
