package serve

import (
	"context"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// Waiting are images that cannot be pulled before drives come that are not here.
type Waiting struct {
	Drives string // such as "drive 2 of 3 (K3V6Q2MZ-2)"
	Images []string
}

// String says how many wait for what: "2 images wait for drive 2 of 3 (K3V6Q2MZ-2)".
func (w Waiting) String() string {
	return text.Count(len(w.Images), "image waits for ", "images wait for ") + w.Drives
}

// Waits says which images wait for drives, each after a semicolon; "" for none.
func (r Report) Waits() (s string) {
	for _, w := range r.Waiting {
		s += "; " + w.String()
	}
	return s
}

// tellAway says at the start which drives are not here, and which images wait for them: they are
// listed still, because a drive may come later.
func (g *Registry) tellAway(ctx context.Context, bundles []*bundle.Reader) error {
	for _, r := range bundles {
		var away []string
		for _, d := range r.Drives() {
			if d.Dir == "" {
				away = append(away, d.String())
			}
		}
		if len(away) == 0 {
			continue
		}
		waiting, again, err := g.waiting(ctx, r)
		if err != nil {
			return blamed(r, err)
		}
		if len(waiting)+again == 0 {
			g.Info("not here: %s; all images can be pulled without", text.Some(away, mostTold))
			continue
		}
		for _, w := range waiting {
			are, those := "is", "that drive"
			if strings.Contains(w.Drives, " and ") {
				are, those = "are", "those drives"
			}
			g.Warn("%s, which %s not here: %s; name the directory of %s too to serve all", w, are, text.Some(w.Images, fewImages), those)
		}
		g.rep.Waiting = append(g.rep.Waiting, waiting...)
	}
	return nil
}

// waiting lists the images of a bundle that need drives which are not here, and counts them as not served: those
// that were counted, and each once. again is how many there are that another bundle has too.
func (g *Registry) waiting(ctx context.Context, r *bundle.Reader) (list []Waiting, again int, err error) {
	for _, img := range r.Inventory().Images {
		name := g.Place.Repo(img).Repository + "@" + img.Root.Digest.String()
		counted, known := g.counted[name]
		if !known {
			continue
		}
		drives, err := g.lacks(ctx, img)
		if err != nil {
			return nil, 0, err
		}
		if drives == "" {
			continue
		}
		if !counted {
			again++
			continue
		}
		g.counted[name] = false
		if img.Subject != "" {
			g.rep.Attached--
		} else {
			g.rep.Images--
		}
		i := slices.IndexFunc(list, func(w Waiting) bool { return w.Drives == drives })
		if i < 0 {
			i, list = len(list), append(list, Waiting{Drives: drives})
		}
		list[i].Images = append(list[i].Images, img.Describe())
	}
	return list, again, nil
}

// here reports whether all content of an image can be read now.
func (g *Registry) here(ctx context.Context, img oci.Image) bool {
	drives, err := g.lacks(ctx, img)
	return err == nil && drives == ""
}

// lacks names the drives that are not here and have content of an image, "" for none.
func (g *Registry) lacks(ctx context.Context, img oci.Image) (string, error) {
	var drives []string
	err := oci.WalkImage(ctx, g.src, img, func(d oci.Descriptor, body []byte) error {
		if body != nil || !g.shelf.has(d) || slices.ContainsFunc(g.shelf, func(o *opened) bool { return o.bundle.Has(d) && o.bundle.Here(d) }) {
			return nil
		}
		i := slices.IndexFunc(g.shelf, func(o *opened) bool { return o.bundle.Has(d) })
		drives = append(drives, g.shelf[i].bundle.DriveOf(d).String())
		return nil
	})
	slices.Sort(drives)
	return text.And(slices.Compact(drives)), err
}
