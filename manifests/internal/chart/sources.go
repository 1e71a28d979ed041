package chart

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/ask"
	"github.com/satchel-airgap/satchel/manifests/internal/helm"
	"github.com/satchel-airgap/satchel/manifests/internal/imageset"
	"github.com/satchel-airgap/satchel/manifests/internal/origin"
	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// errLeft says that an image cannot be found; whoever resolves the list reports it.
var errLeft = errors.New("left to who resolves it")

// repository adds the charts that are asked for of one repository. An index that
// is not available is a gap of each chart whose version is named, else an error.
func (s *charting) repository(ctx context.Context, i int) error {
	r := &s.c.Mirror.Helm.Repositories[i]
	at := fmt.Sprintf("mirror.helm.repositories[%d]", i)
	if strings.HasPrefix(r.URL, imageset.SchemeOCI) {
		for _, ch := range r.Charts {
			s.registry(strings.TrimSuffix(r.URL, "/")+"/"+ch.Name+":"+helm.Tag(ch.Version), ch.Name, ch.Version, ch)
		}
		return nil
	}
	base, err := imageset.ParseRepository(r.URL)
	if err != nil {
		return fmt.Errorf("%s: %w", at, err) // CheckSupported has refused it
	}
	index, err := s.index(ctx, base)
	if err != nil {
		return s.without(base, r, fmt.Errorf("chart repository %s: %w", bare(base), err))
	}
	if len(r.Charts) == 0 {
		s.whole(base, index)
	}
	for k, ch := range r.Charts {
		path := fmt.Sprintf("%s.charts[%d]", at, k)
		e, ok, err := index.Find(ch.Name, ch.Version)
		switch {
		case err != nil:
			s.p.Add(path+".version", "%s.version: %v", path, err)
		case ok:
			s.entry(base, e, ch)
		case len(index[ch.Name]) > 0:
			var have []string
			for _, e := range index[ch.Name] {
				have = append(have, e.Version)
			}
			s.p.Add(path+".version", "%s: chart %q of %s has no version %q; it has %s", path, ch.Name, bare(base), orNewest(ch.Version), text.ASCII(text.Some(have, 3)))
		default:
			s.p.Add(path+".name", "%s: %s has no chart %q%s", path, bare(base), ch.Name, ask.DidYouMean(ch.Name, index.Names()))
		}
	}
	return nil
}

func orNewest(version string) string {
	if version == "" {
		return "that is no prerelease"
	}
	return version
}

// index fetches and reads what the repository publishes.
func (s *charting) index(ctx context.Context, base *url.URL) (helm.Index, error) {
	if s.c.Extra.Hub != nil {
		return s.ofHub(base)
	}
	at := *base
	at.Path, at.RawPath = strings.TrimSuffix(base.Path, "/")+"/index.yaml", ""
	body, err := s.from.Fetch(ctx, at.String(), helm.MaxIndex)
	if err != nil {
		return nil, err
	}
	return s.c.Extra.Charts.Index(ctx, body)
}

// without answers for a repository whose index is not available.
func (s *charting) without(base *url.URL, r *imageset.HelmRepository, why error) error {
	for _, ch := range r.Charts {
		if !helm.IsVersion(ch.Version) {
			return why
		}
	}
	if len(r.Charts) == 0 {
		return why
	}
	for _, ch := range r.Charts {
		ref, err := repositoryRef(base, ch.Name, ch.Version)
		if err != nil {
			return err
		}
		s.add(&chartJob{name: ch.Name, version: ch.Version, ref: ref, built: true, load: func(context.Context) ([]byte, error) { return nil, why }}, ch)
	}
	return nil
}

// whole adds every chart and version but libraries.
func (s *charting) whole(base *url.URL, index helm.Index) {
	n := 0
	for _, name := range index.Names() {
		for _, e := range index[name] {
			if !e.IsLibrary() {
				s.entry(base, e, imageset.Chart{})
				n++
			}
		}
	}
	s.from.Note(fmt.Sprintf("%s: no charts are named, so all %d charts and versions that it publishes are carried", bare(base), n))
}

// Entry adds one version of a chart of a repository.
func (s *charting) entry(base *url.URL, e helm.Entry, ch imageset.Chart) {
	if s.c.Extra.Hub != nil {
		s.hubEntry(base, e, ch)
		return
	}
	if strings.HasPrefix(e.URLs[0], imageset.SchemeOCI) {
		s.registry(e.URLs[0], e.Name, e.Version, ch)
		return
	}
	ref, err := repositoryRef(base, e.Name, e.Version)
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	s.add(&chartJob{name: e.Name, version: e.Version, ref: ref, built: true, load: func(ctx context.Context) ([]byte, error) {
		link, err := chartURL(base, e.URLs[0])
		if err != nil {
			return nil, err
		}
		if link.Scheme == "http" && base.Scheme == "https" && e.Digest == "" {
			return nil, &oci.UnsupportedError{What: bare(link), Why: "it is fetched over plain HTTP, and its repository's index has no digest to check it with"}
		}
		body, err := s.from.Fetch(ctx, link.String(), helm.MaxArchive)
		if err != nil {
			return nil, err
		}
		if err := checkArchive(body, e.Digest); err != nil {
			return nil, fmt.Errorf("get %s: %w", bare(link), err)
		}
		return body, nil
	}}, ch)
}

// chartURL is where an entry's archive lies, as Helm finds it.
func chartURL(base *url.URL, entry string) (*url.URL, error) {
	to, err := url.Parse(entry)
	if err != nil {
		return nil, &oci.UnsupportedError{What: fmt.Sprintf("address %.200q", entry), Why: "it is not an address"}
	}
	from := *base
	from.Path, from.RawPath = strings.TrimSuffix(base.Path, "/")+"/", ""
	link := from.ResolveReference(to)
	if !to.IsAbs() && link.RawQuery == "" {
		link.RawQuery = base.RawQuery
	}
	if link.Scheme != "http" && link.Scheme != "https" || link.Host == "" {
		return nil, &oci.UnsupportedError{What: fmt.Sprintf("address %.200q", entry), Why: "it is not one of https, http or oci"}
	}
	return link, nil
}

// checkArchive holds an archive against the digest in the index; it may have none.
func checkArchive(body []byte, want string) error {
	if want == "" {
		return nil
	}
	d := digest.NewDigestFromEncoded(digest.SHA256, strings.TrimPrefix(want, "sha256:"))
	if err := d.Validate(); err != nil {
		return &oci.UnsupportedError{What: fmt.Sprintf("digest %.100q of the repository's index", want), Why: "it is not one of SHA-256"}
	}
	if got := oci.Digest(body); got != d {
		return &oci.DigestError{Want: oci.Descriptor{MediaType: helm.MediaTypeArchive, Digest: d, Size: int64(len(body))}, Got: got, GotSize: int64(len(body))}
	}
	return nil
}

func unsupportedChart(what string, err error) error {
	return &oci.UnsupportedError{What: "archive of " + what, Why: text.ASCII(err.Error())}
}

// registry adds a chart that lies in a registry, where it is carried from as it is.
func (s *charting) registry(address, name, version string, ch imageset.Chart) {
	ref, err := oci.ParseRef(strings.TrimPrefix(address, imageset.SchemeOCI))
	if err == nil && ref.Tag == "" {
		err = fmt.Errorf("%s has no tag", ref)
	}
	if err != nil {
		err = fmt.Errorf("chart %.100q: %w", name, err)
	} else {
		err = namedChart(name, version, nil)
	}
	if err != nil {
		s.errs = append(s.errs, err)
		return
	}
	s.add(&chartJob{name: name, version: version, ref: ref, load: func(ctx context.Context) ([]byte, error) {
		archive, err := s.pulled(ctx, ref)
		var away *resolveError
		if errors.As(err, &away) {
			return nil, errLeft
		}
		return archive, err
	}}, ch)
}

// resolveError says that a registry did not give a chart.
type resolveError struct{ error }

func (e *resolveError) Unwrap() error { return e.error }

// pulled gives the archive of a chart that is an image.
func (s *charting) pulled(ctx context.Context, ref oci.Ref) ([]byte, error) {
	root, src, err := s.from.Resolve(ctx, ref)
	if err != nil {
		return nil, &resolveError{err}
	}
	body, err := oci.ReadManifest(ctx, src, root)
	if err != nil {
		return nil, err
	}
	layer, err := helm.ArchiveOf(root, body)
	if err != nil {
		return nil, err
	}
	return oci.ReadBlob(ctx, src, layer, helm.MaxArchive)
}

// repositoryRef is the name of a chart of a repository: host, path and name, as
// far as references can have them.
func repositoryRef(base *url.URL, name, version string) (oci.Ref, error) {
	host := base.Host
	if base.Port() == "" && !strings.Contains(host, ".") {
		host += map[string]string{"http": ":80", "https": ":443"}[base.Scheme] // else it would be a short name
	}
	dir := strings.Trim(path.Clean("/"+strings.ToLower(base.Path)), "/")
	ref, err := oci.ParseRef(path.Join(host, dir, name) + ":" + helm.Tag(version))
	if err != nil {
		ref, err = oci.ParseRef(host + "/" + name + ":" + helm.Tag(version))
	}
	return ref, namedChart(name, version, err)
}

// namedChart says that a registry, the mirror's too, cannot have that name.
func namedChart(name, version string, err error) error {
	if err == nil {
		_, err = oci.ParseRef(origin.LocalCharts + "/" + origin.PathCharts + name + ":" + helm.Tag(version))
	}
	if err != nil {
		return &oci.UnsupportedError{What: fmt.Sprintf("chart %.100q %.100q", name, version), Why: "a registry cannot have a chart of this name and version"}
	}
	return nil
}

// local adds a chart of this host. What is wrong with it is reported at its path; what is not its
// fault is an error.
func (s *charting) local(ctx context.Context, i int) error {
	ch := &s.c.Mirror.Helm.Local[i]
	at := fmt.Sprintf("mirror.helm.local[%d].path", i)
	c, err := s.localFacts(ctx, ch.Path)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, fs.ErrNotExist) {
		found, several := s.hubLocal(ch)
		if found {
			return nil
		}
		err = cmp.Or(several, err)
	}
	if err == nil && ch.Version != "" && ch.Version != c.Version {
		err = fmt.Errorf("it is version %s, not %s", c.Version, ch.Version)
	}
	var ref oci.Ref
	if err == nil {
		ref, err = oci.ParseRef(origin.LocalCharts + "/" + c.Name + ":" + helm.Tag(c.Version))
		err = namedChart(c.Name, c.Version, err)
	}
	if err != nil {
		s.p.Add(at, "chart %s: %s", ch.Path, text.ASCII(text.OneLine(err.Error())))
		return nil
	}
	s.add(&chartJob{name: c.Name, version: c.Version, ref: ref, built: true,
		load: func(context.Context) ([]byte, error) { return readLocal(ch.Path) }}, *ch)
	return nil
}

// localFacts reads what a chart of this host says of itself.
func (s *charting) localFacts(ctx context.Context, name string) (*helm.Answer, error) {
	archive, err := readLocal(name)
	if err != nil {
		return nil, err
	}
	return s.c.Extra.Charts.Chart(ctx, archive, helm.Request{Facts: true})
}

// readLocal gives the archive of a chart in a directory or a file, relative to where the command
// runs.
func readLocal(name string) (archive []byte, err error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return helm.PackDir(name)
	case !info.Mode().IsRegular():
		return nil, errors.New("it is neither a file nor a directory")
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	_, err = io.Copy(&body, io.LimitReader(f, helm.MaxArchive+1))
	return body.Bytes(), errors.Join(err, f.Close())
}

// bare is an address without what may be secret in it.
func bare(u *url.URL) string {
	plain := *u
	plain.User, plain.RawQuery, plain.Fragment = nil, "", ""
	return plain.String()
}
