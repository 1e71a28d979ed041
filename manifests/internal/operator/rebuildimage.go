package operator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalog"
	"github.com/satchel-airgap/satchel/manifests/internal/layers"
	"github.com/satchel-airgap/satchel/manifests/internal/opm"
	"github.com/satchel-airgap/satchel/manifests/internal/rebuild"
	"github.com/satchel-airgap/satchel/oci"
)

// recipe says how one image of the catalog is built.
func (f *filtering) recipe(ctx context.Context, image oci.Descriptor) (r rebuild.Recipe, err error) {
	config, err := layers.Config(ctx, f.s.src, image)
	if err != nil {
		return r, err
	}
	dir, err := f.s.dirOf(config)
	if err != nil {
		return r, err
	}
	cmd := opm.ReadCommand(config.Config)
	if !cmd.Alone(dir) {
		return r, &oci.UnsupportedError{What: f.s.what, Why: fmt.Sprintf("its label names %s as its directory, which has more than a catalog; it can only be carried whole, with full: true and no packages", dir)}
	}
	cmd = f.serving(cmd, dir)
	cacheDir, knows, err := f.cacheDir(ctx, &cmd, dir)
	if err != nil {
		return r, err
	}
	around, err := f.around(ctx, replacedDirs(config, dir)...)
	if err != nil {
		return r, err
	}
	at, err := f.places(ctx, image, around, cmd, dir, cacheDir)
	if err != nil {
		return r, err
	}
	if at.linked {
		if around, err = f.around(ctx, at.replaced...); err != nil {
			return r, err
		}
	}
	if r.Drop, err = f.drop(ctx, image, at.replaced); err != nil {
		return r, err
	}
	r.Comment = "satchel: the catalog, filtered"
	if at.dir != dir && cmd.Serves && cmd.Dir != "" {
		cmd = cmd.Serving(at.dir)
	}
	r.Edit = func(s *rebuild.Settings) {
		if at.dir != dir {
			catalog.SetDir(s.Labels, at.dir)
		}
		if cmd.Serves {
			s.Entrypoint, s.Cmd = cmd.Entrypoint(), cmd.Arguments(cacheDir, knows)
		}
	}
	r.Layer, err = f.layer(ctx, at.dir, at.cacheDir, around)
	return r, ask.OfHost(err)
}

// serving makes the command serve the filtered directory: another one still has the whole
// catalog.
func (f *filtering) serving(cmd opm.Command, dir string) opm.Command {
	switch {
	case !cmd.Serves || cmd.Dir == dir:
		return cmd
	case cmd.Dir == "":
		f.note("which directory its image serves cannot be known; its label says %s, and that one is filtered", dir)
		return cmd
	}
	f.note("its image serves %s, and its label says %s: the filtered one serves what the label says", cmd.Dir, dir)
	return cmd.Serving(dir)
}

// cacheDir says where an image has its cache, "" if its program reads none, and whether
// the program knows the other option for it.
func (f *filtering) cacheDir(ctx context.Context, cmd *opm.Command, dir string) (cacheDir string, knows bool, err error) {
	if !cmd.Serves {
		f.note("its image does not run opm serve; its command is left as it is")
		return opm.CacheDirBeside(dir), false, nil
	}
	knows, there, err := f.knows(ctx, cmd.Program)
	switch {
	case err != nil:
		return "", false, err
	case cmd.Replaceable(dir):
		return cmd.CacheDir, knows, nil
	case !there:
		f.note("the program %q, which serves it, was not found in its image: there is no cache for it", cmd.Program)
	case knows:
		cmd.CacheDir = "" // a second one counts
		return opm.CacheDirBeside(dir), true, nil
	default:
		f.note("the program %q, which serves it, is too old to read a cache, or is no opm: the pod may need a directory for temporary files that it can write", cmd.Program)
	}
	return "", false, nil
}

// knows looks into the program of the image that was read. The others of its index are
// built in the same way, and are large.
func (f *filtering) knows(ctx context.Context, program string) (knows, there bool, err error) {
	answer, err := f.parsed(ctx, programKey(f.s.picked, program), func() (string, error) {
		says, there, err := layers.Says(ctx, f.s.src, f.s.picked, program, opm.KnowsCache)
		return programAnswer(says, there), err
	})
	return answer == programAnswer(true, true), answer != programAnswer(false, false), err
}

func programKey(image oci.Descriptor, program string) string {
	return "opm-v3-" + image.Digest.Encoded() + "-" + program
}

func programAnswer(says, there bool) string { return fmt.Sprint(says, " ", there) }

// errUnsure says that a layer is kept because it was not verified to its end; such an
// answer must not be stored.
var errUnsure = errors.New("the layer was not read to its end")

// drop says which layers have nothing but what is replaced.
func (f *filtering) drop(ctx context.Context, image oci.Descriptor, replaced []string) ([]bool, error) {
	list, err := layers.Of(ctx, f.s.src, image)
	if err != nil {
		return nil, err
	}
	drop := make([]bool, len(list))
	for i, d := range list {
		answer, err := f.parsed(ctx, onlyKey(layers.Layer{Digest: d.Digest, MediaType: d.MediaType}, replaced), func() (string, error) {
			only, sure, err := layers.Only(ctx, f.s.src, d, replaced)
			if err == nil && !sure {
				err = errUnsure
			}
			return fmt.Sprint(only), err
		})
		if err != nil && !errors.Is(err, errUnsure) {
			return nil, err
		}
		drop[i] = answer == fmt.Sprint(true)
	}
	return drop, nil
}

func onlyKey(l layers.Layer, replaced []string) string {
	return "layer-only-v2-" + l.Digest.Encoded() + "-" + oci.Digest([]byte(l.MediaType+"\x00"+strings.Join(replaced, "\x00"))).Encoded()
}

// keepCensus keeps what was found of layers and of the program while the catalog was
// read, so that they are not read again.
func (s *selection) keepCensus(ctx context.Context, from ask.Images, c *layers.Census) error {
	answers := map[string]string{}
	for l, only := range c.Only {
		answers[onlyKey(l, c.Dirs)] = fmt.Sprint(only)
	}
	list, err := layers.Of(ctx, s.src, s.picked)
	if err != nil {
		return err
	}
	unread := slices.ContainsFunc(list, func(d oci.Descriptor) bool {
		_, ok := c.Only[layers.Layer{Digest: d.Digest, MediaType: d.MediaType}]
		return !ok
	})
	if c.Program != "" && (c.There || !unread && !c.Linked) {
		answers[programKey(s.picked, c.Program)] = programAnswer(c.Says, c.There)
	}
	around, err := json.Marshal(c.Around)
	if err != nil {
		return err
	}
	answers[aroundKey(s.picked, c.Dirs)] = string(around)
	for key, answer := range answers {
		rc, err := from.Derived(ctx, key, func(w io.Writer) error {
			_, err := io.WriteString(w, answer)
			return err
		})
		if err == nil {
			err = rc.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// programOf is the last part of the name of what serves the catalog; "" for none.
func programOf(config ispec.Image) string {
	return opm.ReadCommand(config.Config).Program
}

// replacedDirs are the directories that a filtered image most likely replaces.
func replacedDirs(config ispec.Image, dir string) []string {
	cmd := opm.ReadCommand(config.Config)
	if cmd.Replaceable(dir) {
		return []string{dir, cmd.CacheDir}
	}
	return []string{dir, opm.CacheDirBeside(dir)}
}

// around gives the directories that those of a catalog image are in, as the image has
// them that was read: the others of its index are built in the same way.
func (f *filtering) around(ctx context.Context, dirs ...string) (map[string]layers.Parent, error) {
	answer, err := f.parsed(ctx, aroundKey(f.s.picked, dirs), func() (string, error) {
		census := &layers.Census{Dirs: dirs, Around: map[string]layers.Parent{}, Only: map[layers.Layer]bool{}}
		err := layers.WalkCounting(ctx, f.s.src, f.s.picked, f.s.dir, census, func(string, int64, io.Reader) error { return nil })
		body, merr := json.Marshal(census.Around)
		return string(body), errors.Join(err, merr)
	})
	around := map[string]layers.Parent{}
	if err == nil {
		err = ask.OfHost(json.Unmarshal([]byte(answer), &around))
	}
	return around, err
}

func aroundKey(image oci.Descriptor, dirs []string) string {
	return "layers-around-v2-" + image.Digest.Encoded() + "-" + oci.Digest([]byte(strings.Join(dirs, "\x00"))).Encoded()
}

// ParseOperators keeps a short answer that takes reading layers. An error of find is returned
// as it is.
func (f *filtering) parsed(ctx context.Context, key string, find func() (string, error)) (string, error) {
	var lost error
	rc, err := f.from.Derived(ctx, key, func(w io.Writer) error {
		var answer string
		if answer, lost = find(); lost != nil {
			return lost
		}
		_, err := io.WriteString(w, answer)
		return err
	})
	switch {
	case lost != nil:
		return "", lost
	case err != nil:
		return "", ask.OfHost(fmt.Errorf("%s: keep what was read of it: %w", f.s.what, err))
	}
	const most = 1 << 20 // bytes of an answer
	body, err := io.ReadAll(io.LimitReader(rc, most))
	return string(body), errors.Join(err, rc.Close())
}
