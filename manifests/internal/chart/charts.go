package chart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

const (
	// parallelCharts is how many archives are in memory at a time.
	parallelCharts = 2

	maxValues = 20 // that are no images, named in a note
)

// Error says that the images of a chart cannot be known, for a reason that
// lies in the chart or its values.
type Error struct {
	Chart string // its name and version
	Err   error
	// Values says that other values may help.
	Values bool
}

func (e *Error) Error() string {
	return "chart " + e.Chart + ": " + text.ASCII(text.OneLine(e.Err.Error()))
}

func (e *Error) Unwrap() error { return e.Err }

// Hint says what to do; empty where the chart is at fault.
func (e *Error) Hint() string {
	var limit *helm.LimitError
	switch {
	case e.Values:
		return "give the values that the chart needs"
	case errors.As(e.Err, &limit):
		return "do not use a chart that you do not trust; to carry the images of one that needs more, leave the chart out and list them under mirror.additionalImages"
	}
	return ""
}

// Permanent reports that the same chart and values never render.
func (e *Error) Permanent() bool { return true }

// Name is the chart's name, as in Chart.yaml.
func (e *Error) Name() string {
	name, _, _ := strings.Cut(e.Chart, " ")
	return name
}

// chartJob is one chart that is asked for.
type chartJob struct {
	name, version string
	ref           oci.Ref                               // in the inventory
	built         bool                                  // its artifact is satchel's, not a registry's
	load          func(context.Context) ([]byte, error) // its archive
	paths         []string
	only          []string // platforms of its images

	found []ask.Image
	lost  []string // imagePaths that point at nothing
	other []string // values that imagePaths point at and that are no image
	err   error
}

// Images asks for mirror.helm: the charts themselves, and the images that they
// run with their default values and those of [imageset.Extra]. A chart that is not available
// or does not render is a *[oci.Gap].
func Images(ctx context.Context, c *imageset.Config, from ask.Images) (ask.Set, error) {
	s := &charting{c: c, from: from, p: c.Problems()}
	for i := range c.Mirror.Helm.Repositories {
		if err := s.repository(ctx, i); err != nil {
			return ask.Set{}, err
		}
	}
	for i := range c.Mirror.Helm.Local {
		if err := s.local(ctx, i); err != nil {
			return ask.Set{}, err
		}
	}
	s.checkValues()
	if err := s.p.Join(); err != nil {
		return ask.Set{}, err
	}
	var g errgroup.Group
	g.SetLimit(parallelCharts)
	for _, job := range s.jobs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			job.err = s.run(ctx, job)
			return nil
		})
	}
	_ = g.Wait() // each error is in its job
	return s.result()
}

// charting gathers the charts of a configuration.
type charting struct {
	c    *imageset.Config
	from ask.Images
	p    *imageset.Problems
	jobs []*chartJob
	errs []error
}

func (s *charting) result() (ask.Set, error) {
	var all ask.Set
	errs := slices.Clone(s.errs)
	for _, job := range s.jobs {
		if job.err != nil {
			errs = append(errs, job.gap(job.err))
			continue
		}
		all.Images = append(all.Images, job.found...)
		for _, expr := range job.lost {
			s.from.Note(fmt.Sprintf("chart %s: imagePaths %s points at nothing in what it renders", job, expr))
		}
		if values := text.Sorted(job.other); len(values) > 0 {
			s.from.Note(fmt.Sprintf("chart %s: imagePaths points at %s without a registry, skipped as no image: %s",
				job, text.Count(len(values), "value", "values"), text.ASCII(text.Some(values, maxValues))))
		}
	}
	return all, errors.Join(errs...)
}

func (j *chartJob) String() string { return j.name + " " + j.version }

// add adds a chart, as it was requested, if the mirror can have it under its name.
func (s *charting) add(job *chartJob, ch imageset.Chart) {
	job.only = imageset.PlatformNames(ch.Platforms)
	job.paths = ch.ImagePaths
	s.jobs = append(s.jobs, job)
}

func (j *chartJob) gap(err error) error {
	w := j.wanted()
	return &oci.Gap{Image: w.Entry(), Err: err}
}

// Image is the chart itself.
func (j *chartJob) wanted() ask.Image {
	w := ask.Image{Origin: origin.Chart, Ref: j.ref, Tags: []string{j.ref.Tag}, Reasons: []oci.Reason{{Kind: origin.KindChart, Name: j.String()}}}
	if j.built {
		w.Path = origin.PathCharts + j.name
	}
	return w
}

// run loads and renders one chart, and says what it wants.
func (s *charting) run(ctx context.Context, job *chartJob) error {
	archive, err := job.load(ctx)
	if errors.Is(err, errLeft) {
		job.found = []ask.Image{job.wanted()}
		return nil
	}
	if err != nil {
		return fmt.Errorf("chart %s: %w", job, err)
	}
	c, failed := s.c.Extra.Charts.Chart(ctx, archive, helm.Request{Values: s.values(), Paths: job.paths})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case c == nil:
		return job.unread(failed)
	case c.Name != job.name || helm.Tag(c.Version) != helm.Tag(job.version):
		return job.unread(&helm.FaultError{Msg: fmt.Sprintf("the archive is that of %.100q %.100q", c.Name, c.Version)})
	}
	w := job.wanted()
	if job.built {
		if w.Built, err = c.Artifact(archive, s.from.Put); err != nil {
			return fmt.Errorf("keep chart %s: %w", job, err)
		}
	}
	job.found = []ask.Image{w}
	if failed == nil && !c.Library {
		failed = job.images(c)
	}
	if failed != nil {
		var render *helm.RenderError
		return &Error{Chart: job.String(), Err: failed, Values: errors.As(failed, &render)}
	}
	return nil
}

// unread says why nothing is known of the chart in an archive.
func (j *chartJob) unread(err error) error {
	var fault *helm.FaultError
	if errors.As(err, &fault) {
		return fmt.Errorf("chart %s: %w", j, unsupportedChart(j.String(), err))
	}
	return &Error{Chart: j.String(), Err: err}
}

// images asks for the images that the chart runs.
func (j *chartJob) images(c *helm.Answer) error {
	for _, img := range c.Images {
		if img.Loose && !hasRegistry(img.Ref) {
			j.other = append(j.other, text.OneLine(img.Ref))
			continue
		}
		w, err := chartImage(j, img)
		if err != nil {
			return fmt.Errorf("%s: %w (template %s)", img.Where, err, img.Template)
		}
		j.found = append(j.found, w)
	}
	for i, n := range c.Hits {
		if n == 0 {
			j.lost = append(j.lost, j.paths[i])
		}
	}
	return nil
}

// hasRegistry reports whether a value is the reference of an image with the host of a
// registry: a part before the first slash with a dot or a port, or localhost.
func hasRegistry(value string) bool {
	host, _, ok := strings.Cut(value, "/")
	if !ok || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return false
	}
	_, err := ask.ParseNodeRef(value)
	return err == nil
}

// chartImage reads a reference as nodes do.
func chartImage(job *chartJob, img helm.Image) (ask.Image, error) {
	ref, err := ask.ParseNodeRef(img.Ref)
	if err != nil {
		return ask.Image{}, err
	}
	w := ask.Image{Origin: origin.Chart, Ref: ref, Reasons: []oci.Reason{{Kind: origin.KindChart, Name: job.String(), Part: img.Where}}, Only: job.only}
	if ref.Tag != "" {
		w.Tags = []string{ref.Tag}
	}
	return w, nil
}

// values are those of every chart.
func (s *charting) values() (list []helm.Values) {
	for _, v := range s.c.Extra.HelmValues {
		list = append(list, helm.Values{Chart: v.Chart, YAML: []byte(v.YAML)})
	}
	return list
}

// checkValues reports values for charts that are not asked for, if those which
// are asked for are all known.
func (s *charting) checkValues() {
	if s.p.Any() || len(s.errs) > 0 {
		return
	}
	var names []string
	for _, job := range s.jobs {
		names = append(names, job.name)
	}
	names = text.Sorted(names)
	for _, v := range s.c.Extra.HelmValues {
		if !slices.Contains(names, v.Chart) {
			s.p.AddAtKey("mirror", "the name of a chart is the one in its Chart.yaml",
				"values were given for chart %q, which is not in mirror.helm%s", v.Chart, ask.DidYouMean(v.Chart, names))
			s.p.About("HelmValues")
		}
	}
}
