package operator

import (
	"context"
	"errors"
	"fmt"

	"github.com/operator-framework/operator-registry/alpha/declcfg"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/catalogmerge"
	"github.com/satchel-airgap/satchel/manifests/internal/filter"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/tempfile"
	"github.com/satchel-airgap/satchel/oci/text"
)

// closeAll frees what the selections keep on disk.
func closeAll(list []*selection) error {
	var errs []error
	for _, s := range list {
		if s.joined != nil {
			errs = append(errs, s.joined.Close())
			s.joined = nil
		}
	}
	return errors.Join(errs...)
}

// join joins the catalog with those that earlier bundles carried. One that is carried whole stays
// as it is.
func (s *selection) join(ctx context.Context, from ask.Images) error {
	if s.whole() {
		return nil
	}
	for _, kept := range s.kept {
		if err := s.joinOne(ctx, from, kept); err != nil {
			return err
		}
	}
	return nil
}

// joinOne joins the catalog, as far as it is joined, with one that an earlier bundle carried.
func (s *selection) joinOne(ctx context.Context, from ask.Images, with imageset.KeptCatalog) (err error) {
	today, err := s.index(ctx, from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, today.Close()) }()
	kept, err := with.Open()
	if err != nil {
		return fmt.Errorf("%s: read it as an earlier bundle carried it: %w", s.what, err)
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	joined, err := catalogmerge.Join(s.what, today, kept)
	if err == nil {
		if before := s.joined; before != nil {
			joined.Add(before.Packages)
			err = before.Close()
		}
		s.joined = joined
	}
	var refused *catalogmerge.RefusedError
	var host *tempfile.Error
	if err != nil && !errors.As(err, &refused) && !errors.As(err, &host) {
		return fmt.Errorf("%s: join it with what an earlier bundle carried: %w", s.what, err)
	}
	return err
}

// keep is what of a package must be left because an earlier bundle carried it.
func (s *selection) keep(name string) catalogmerge.Keep {
	if s.joined == nil {
		return catalogmerge.Keep{}
	}
	return s.joined.Packages[name]
}

// checkKept wants of a package that was filtered, or could not be, all that an earlier
// bundle carried.
func (s *selection) checkKept(name string, req filter.Request, out *filter.Result, err error) error {
	if len(req.Keep) == 0 {
		return nil
	}
	if err == nil {
		err = catalogmerge.Check(req.Keep, &out.Config)
	}
	if err == nil {
		return nil
	}
	return &catalogmerge.RefusedError{What: s.what, Package: name, Err: err}
}

// stay gathers what of a package is chosen because an earlier bundle carried it alone.
func (s *selection) stay(name string, cfg *declcfg.DeclarativeConfig, req filter.Request, out *filter.Result) {
	if len(req.Keep) == 0 {
		return
	}
	req.Keep, req.KeepDefault = nil, ""
	if nothingOf(req) {
		s.stays = append(s.stays, fmt.Sprintf("package %q", name))
		return
	}
	asked, err := filter.Package(cfg, req)
	if err != nil { // nothing is left of what is asked for, or it cannot stand alone
		asked = &filter.Result{}
	}
	if more := len(out.Bundles) - len(asked.Bundles); more > 0 {
		s.stays = append(s.stays, fmt.Sprintf("%s of package %q", text.Count(more, "version", "versions"), name))
	}
}

// noteStays says what stays though nothing asks for it any more.
func (s *selection) noteStays() {
	const most = 10
	if len(s.stays) > 0 {
		s.notes = append(s.notes, text.ASCII(s.what+": stays as an earlier bundle carried it, and nothing asks for it: "+text.Some(s.stays, most)))
	}
}

// noteKept says what of a package was withdrawn or deprecated since an earlier bundle.
func (s *selection) noteKept(name string) {
	for _, n := range s.keep(name).Notes {
		s.notes = append(s.notes, text.ASCII(fmt.Sprintf("%s: package %q: %s", s.what, name, n)))
	}
}

// nothingOf reports whether a package has nothing that is asked for or kept.
func nothingOf(req filter.Request) bool {
	return req.Only && len(req.Also) == 0 && len(req.Keep) == 0
}

// isDependency reports whether only other operators require the package.
func isDependency(req filter.Request) bool { return req.Only && len(req.Keep) == 0 }
