package transport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
	"go.podman.io/image/v5/pkg/sysregistriesv2"
	"go.podman.io/image/v5/types"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/transport/internal/hostfile"
	"github.com/satchel-airgap/satchel/transport/internal/retry"
)

// restTime is how long a location that failed is asked last, at least.
const restTime = time.Minute

// system is what containers/image is to read on this host.
func (c *Client) system() *types.SystemContext {
	sys := &types.SystemContext{AuthFilePath: c.credentials.Name()}
	if f := c.cfg.RegistriesConf; f != "" {
		sys.SystemRegistriesConfPath, sys.SystemRegistriesConfDirPath = f, f+".d"
	}
	return sys
}

// configured gives a repository with the locations that registries.conf names for
// it (containers-registries.conf(5)). The caller holds c.mu.
func (c *Client) configured(ref oci.Ref) (*Repository, error) {
	named, err := reference.ParseNamed(ref.Name())
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	if f := cmp.Or(c.cfg.RegistriesConf, os.Getenv("CONTAINERS_REGISTRIES_CONF")); f != "" {
		if _, err := os.Stat(f); err != nil { // containers/image takes a missing file for an empty one
			return nil, &ConfigError{What: ConfigRegistries, Path: f, Err: hostfile.Cause(err)}
		}
	}
	sys := c.system()
	rule, err := sysregistriesv2.FindRegistry(sys, named.Name())
	if err != nil {
		return nil, registriesError(sys, err)
	}
	switch {
	case rule == nil:
		return c.at(ref, false, nil)
	case !c.cfg.Push:
		return c.withMirrors(sys, ref, named, rule)
	case rule.Blocked:
		return nil, c.blocked(sys, ref, rule)
	}
	return c.at(ref, rule.Insecure, nil)
}

func registriesError(sys *types.SystemContext, err error) error {
	return &ConfigError{What: ConfigRegistries, Path: sysregistriesv2.ConfigurationSourceDescription(sys), Err: err}
}

// withMirrors gives a repository to pull from by a rule of registries.conf.
func (c *Client) withMirrors(sys *types.SystemContext, ref oci.Ref, named reference.Named, rule *sysregistriesv2.Registry) (*Repository, error) {
	digested, err := reference.WithDigest(named, oci.Digest(nil))
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	tagged, err := reference.WithTag(named, "latest")
	if err != nil {
		return nil, fmt.Errorf("repository %q: %w", ref.Name(), err)
	}
	byDigest, err := c.pullLocations(sys, rule, digested)
	if err != nil {
		return nil, err
	}
	byTag, err := c.pullLocations(sys, rule, tagged)
	if err != nil {
		return nil, err
	}
	main := byDigest[len(byDigest)-1]
	// What a tag was found in also has what that tag leads to.
	for _, p := range byTag {
		if !slices.Contains(byDigest, p) {
			byDigest = append(byDigest, p)
		}
	}
	return &Repository{
		ref: main.ref, named: ref, location: main.location, sender: main.sender, remote: main.remote,
		main: main, tags: byTag, digests: byDigest,
	}, nil
}

// pullLocations lists where a reference is pulled from, in order, its location last.
func (c *Client) pullLocations(sys *types.SystemContext, rule *sysregistriesv2.Registry, named reference.Named) ([]*Repository, error) {
	sources, err := rule.PullSourcesFromReference(named)
	if err != nil {
		return nil, registriesError(sys, err)
	}
	var locations []*Repository
	for i, s := range sources {
		at := oci.Ref{Registry: reference.Domain(s.Reference), Repository: reference.Path(s.Reference)}
		its, err := sysregistriesv2.FindRegistry(sys, at.Name())
		if err != nil {
			return nil, registriesError(sys, err)
		}
		if i == len(sources)-1 && rule.Blocked {
			its = rule
		}
		r, err := c.at(at, s.Endpoint.Insecure, c.blocked(sys, at, its))
		if err != nil {
			return nil, err
		}
		locations = append(locations, r)
	}
	return locations, nil
}

func (c *Client) blocked(sys *types.SystemContext, ref oci.Ref, rule *sysregistriesv2.Registry) *BlockedError {
	if rule == nil || !rule.Blocked {
		return nil
	}
	return &BlockedError{Repository: ref.Name(), Prefix: rule.Prefix, Path: sysregistriesv2.ConfigurationSourceDescription(sys)}
}

// BlockedError says that registries.conf forbids a repository.
type BlockedError struct {
	Repository string
	Prefix     string // of the rule that has blocked = true
	Path       string // the files that were read
}

func (e *BlockedError) Error() string {
	return fmt.Sprintf("%s is blocked by the rule for %s in registries.conf (%s)", e.Repository, e.Prefix, e.Path)
}

// Hint says what to do now.
func (e *BlockedError) Hint() string {
	return "remove the rule from registries.conf, or use another file in its place"
}

// Permanent is false: no image is lost by how this host is configured.
func (e *BlockedError) Permanent() bool { return false }

// LocationError says that none of the locations that registries.conf names for an
// image gave it.
type LocationError struct {
	Ref       string
	Locations []string
	Errs      []error // one for each location

	main int // the image's own location
}

func (e *LocationError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s is available from none of %d locations", e.Ref, len(e.Locations))
	for _, err := range e.Errs {
		b.WriteString("; " + err.Error())
	}
	return b.String()
}

// Unwrap gives the error first that decides what is reported of the image.
func (e *LocationError) Unwrap() []error {
	i := e.decisive()
	rest := slices.Delete(slices.Clone(e.Errs), i, i+1)
	return slices.Insert(rest, 0, e.Errs[i])
}

// each asks the repository's locations in turn until op succeeds at one. A single
// location is tried again by op itself; of several, each is asked once, and all of
// them again if that may help.
func (r *Repository) each(ctx context.Context, digested bool, op func(context.Context, *Repository) error) error {
	locations := r.tags
	if digested {
		locations = r.digests
	}
	if locations == nil {
		locations = []*Repository{r}
	}
	if len(locations) == 1 {
		return op(ctx, locations[0])
	}
	c := r.sender.client
	for t := c.begin(); ; {
		if err := c.anyOpen(ctx, locations); err != nil {
			return err
		}
		err := r.round(retry.Once(ctx), locations, op)
		var all *LocationError
		if !errors.As(err, &all) {
			return err
		}
		i := all.decisive()
		waiting := ctx
		if isDamaged(all.Errs[i]) {
			waiting = retry.Briefly(ctx)
		}
		if !c.again(waiting, t, locations[i].location.Host(), all.Errs[i]) {
			return err
		}
	}
}

// round asks each location once, those that failed just now last.
func (r *Repository) round(ctx context.Context, locations []*Repository, op func(context.Context, *Repository) error) error {
	all := &LocationError{Ref: r.named.Name(), Locations: make([]string, len(locations)), Errs: make([]error, len(locations)), main: slices.Index(locations, r.main)}
	order := make([]int, len(locations))
	for i := range locations {
		order[i] = i
	}
	now := time.Now().UnixNano()
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(min(1, max(0, locations[a].rest.Load()-now)), min(1, max(0, locations[b].rest.Load()-now)))
	})
	for _, i := range order {
		p := locations[i]
		err := op(ctx, p)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if transient(err) {
			p.rest.Store(time.Now().Add(max(restTime, askedToWait(err))).UnixNano())
		}
		all.Locations[i], all.Errs[i] = p.ref.Name(), explain("pull", p.ref.Name(), err)
	}
	return all
}

// decisive is which location's error says whether to ask all locations again: of
// those that may give the image yet, the one that is ready soonest, else the
// own location, or, if that is blocked, the last one that is not.
func (e *LocationError) decisive() int {
	var may []int
	for i, err := range e.Errs {
		if transient(err) {
			may = append(may, i)
		}
	}
	if len(may) > 0 {
		return slices.MinFunc(may, func(a, b int) int { return cmp.Compare(askedToWait(e.Errs[a]), askedToWait(e.Errs[b])) })
	}
	if !isBlocked(e.Errs[e.main]) {
		return e.main
	}
	for i, err := range slices.Backward(e.Errs) {
		if !isBlocked(err) {
			return i
		}
	}
	return e.main
}

// absent reports whether it is in none of the locations that may be asked.
func (e *LocationError) absent() bool {
	for _, err := range e.Errs {
		if !errors.Is(err, errAbsent) && !isBlocked(err) {
			return false
		}
	}
	return errors.Is(e.Errs[e.decisive()], errAbsent)
}

func isBlocked(err error) bool {
	var blocked *BlockedError
	return errors.As(err, &blocked)
}
