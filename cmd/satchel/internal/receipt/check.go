package receipt

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sync"

	"github.com/satchel-airgap/satchel/oci"
)

var (
	idPattern     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9]{1,64}$`) })
	hexPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
	ledgerPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)
	streamPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`) })
	originPattern = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`) })
)

// Bounds of what a receipt may name, far above what is in use.
const (
	maxSources  = 1 << 17 // of all repositories together
	maxBlobSize = 1 << 50 // bytes
	maxSequence = 1 << 31
	maxNested   = 1 << 10
)

// MaxCloses is how many intents a receipt can end, and how many claims it can name.
const MaxCloses = 1 << 12

// check is as strict as if the receipt came from an enemy: it may.
func (r *Receipt) check() error {
	if err := r.checkHead(); err != nil {
		return err
	}
	repos, err := r.checkRepositories()
	if err != nil {
		return err
	}
	manifests, err := r.checkManifests(repos)
	if err != nil {
		return err
	}
	if err := r.checkImages(manifests); err != nil {
		return err
	}
	return r.checkBlobs(repos)
}

func (r *Receipt) checkHead() error {
	mirror, err := oci.ParseMirror(r.Mirror.String())
	switch {
	case r.State != Intent && r.State != Done:
		return fmt.Errorf("state %.20q", string(r.State))
	case !idPattern().MatchString(r.Bundle):
		return fmt.Errorf("bundle ID %.80q", r.Bundle)
	case r.Fingerprint != "" && !hexPattern.MatchString(r.Fingerprint):
		return fmt.Errorf("fingerprint %.80q", r.Fingerprint)
	case r.Supplement != Supplement{} && (!idPattern().MatchString(r.Supplement.Bundle) || !hexPattern.MatchString(r.Supplement.Fingerprint)):
		return fmt.Errorf("supplement %.80q with the fingerprint %.80q", r.Supplement.Bundle, r.Supplement.Fingerprint)
	case r.Stream != Stream{} && (!ledgerPattern.MatchString(r.Stream.Ledger) || !streamPattern().MatchString(r.Stream.Name)):
		return fmt.Errorf("stream %.80q of ledger %.80q", r.Stream.Name, r.Stream.Ledger)
	case r.Sequence < 0 || r.Sequence > maxSequence:
		return fmt.Errorf("sequence %d", r.Sequence)
	case err != nil || mirror.Host != r.Mirror.Host || mirror.Namespace != r.Mirror.Namespace:
		return fmt.Errorf("mirror %.200q", r.Mirror.String())
	case r.Mirror.MaxNestedPaths < 0 || r.Mirror.MaxNestedPaths > maxNested:
		return fmt.Errorf("%d path components", r.Mirror.MaxNestedPaths)
	case r.From != FromUnpack && r.From != Rebuilt && r.From != Adopted && r.From != Pruned:
		return fmt.Errorf("source of facts %.20q", string(r.From))
	case badYear(r.Time.Year()) || badYear(r.Packed.Year()):
		return errors.New("its time")
	case len(r.Closes) > MaxCloses:
		return fmt.Errorf("%d intents", len(r.Closes))
	case len(r.Claims) > MaxCloses:
		return fmt.Errorf("%d claims", len(r.Claims))
	}
	if err := r.checkPruned(); err != nil {
		return err
	}
	if err := r.checkFirst(); err != nil {
		return err
	}
	if err := ascending("claim", r.Claims, oci.CheckDigest); err != nil {
		return err
	}
	if err := r.checkShared(); err != nil {
		return err
	}
	return ascending("intent", r.Closes, oci.CheckDigest)
}

// checkShared wants the one repository of several paths that a layout has, or none.
func (r *Receipt) checkShared() error {
	shared := r.Mirror.Shared
	if shared == (oci.Shared{}) {
		return nil
	}
	ref, err := oci.ParseRef("mirror.invalid/" + shared.Repository + ":x")
	if err != nil || ref.Repository != shared.Repository {
		return fmt.Errorf("repository of releases %.300q", shared.Repository)
	}
	if of, err := ofOc(r.Mirror, shared.Repository); err != nil || of != r.Mirror {
		return fmt.Errorf("paths %.300q of one repository", shared.Paths)
	}
	return nil
}

// badYear reports whether JSON has no way to write a time of that year.
func badYear(year int) bool { return year < 0 || year > 9999 }

// ascending checks each item, and that they are sorted, each once.
func ascending[T ~string](what string, list []T, check func(T) error) error {
	for i, item := range list {
		if err := check(item); err != nil {
			return fmt.Errorf("%s %.200q: %w", what, string(item), err)
		}
		if i > 0 && list[i-1] >= item {
			return fmt.Errorf("%s %.200q: it is not sorted, or there twice", what, string(item))
		}
	}
	return nil
}

func checkOrigins(list []oci.Origin) error {
	return ascending("origin", list, func(o oci.Origin) error {
		if !originPattern().MatchString(string(o)) {
			return errors.New("it is not an origin")
		}
		return nil
	})
}

// checkRepositories gives the place of each in the list.
func (r *Receipt) checkRepositories() (map[string]int, error) {
	all := make(map[string]int, len(r.Repositories))
	last, sources := "", 0
	for i, repo := range r.Repositories {
		ref, err := oci.ParseRef("mirror.invalid/" + repo.Name + ":x")
		if err != nil || ref.Repository != repo.Name || repo.Name <= last {
			return nil, fmt.Errorf("repository %.300q: it is not a repository, not sorted, or there twice", repo.Name)
		}
		last, all[repo.Name] = repo.Name, i
		if sources += len(repo.Sources); sources > maxSources {
			return nil, errors.New("too many sources of repositories")
		}
		from := ""
		for _, s := range repo.Sources {
			ref, err := oci.ParseRef(s.Name + ":x")
			if err != nil || ref.Name() != s.Name || s.Name <= from {
				return nil, fmt.Errorf("source %.300q of repository %s: it is not a repository, not sorted, or there twice", s.Name, repo.Name)
			}
			if err := checkOrigins(s.Origins); err != nil {
				return nil, err
			}
			from = s.Name
		}
	}
	return all, nil
}

func (r *Receipt) checkManifests(repos map[string]int) (map[manifestKey]bool, error) {
	all := make(map[manifestKey]bool, len(r.Manifests))
	var last Manifest
	for _, m := range r.Manifests {
		if _, known := repos[m.Repo]; !known {
			return nil, fmt.Errorf("manifest %s: its repository %.300q is not listed", m.Digest, m.Repo)
		}
		if err := oci.CheckDescriptor(oci.Descriptor{Digest: m.Digest, Size: m.Size, MediaType: m.MediaType}); err != nil {
			return nil, err
		}
		if !oci.IsManifest(m.MediaType) || m.Repo < last.Repo || m.Repo == last.Repo && m.Digest <= last.Digest {
			return nil, fmt.Errorf("manifest %s: not of a known kind, not sorted, or there twice", m.Digest)
		}
		last, all[manifestKey{m.Repo, m.Digest}] = m, true
	}
	return all, nil
}

func (r *Receipt) checkImages(manifests map[manifestKey]bool) error {
	var last Image
	for _, img := range r.Images {
		if !manifests[manifestKey{img.Repo, img.Digest}] {
			return fmt.Errorf("image %.80q in %.300q: its manifest is not listed", string(img.Digest), img.Repo)
		}
		if img.Repo < last.Repo || img.Repo == last.Repo && img.Digest <= last.Digest {
			return fmt.Errorf("image %s: it is not sorted, or there twice", img.Digest)
		}
		if err := checkOrigins(img.Origins); err != nil {
			return err
		}
		if img.Subject != "" {
			if err := oci.CheckDigest(img.Subject); err != nil {
				return err
			}
		}
		if err := checkTags(img); err != nil {
			return err
		}
		last = img
	}
	return nil
}

func checkTags(img Image) error {
	last := ""
	for _, tag := range img.Tags {
		ref, err := oci.ParseRef("mirror.invalid/x:" + tag.Name)
		if err != nil || ref.Tag != tag.Name || ref.Digest != "" || tag.Name <= last {
			return fmt.Errorf("tag %.200q of image %s: it is not a tag, not sorted, or there twice", tag.Name, img.Digest)
		}
		last = tag.Name
	}
	return nil
}

func (r *Receipt) checkBlobs(repos map[string]int) error {
	all := make(map[Short]bool, len(r.Blobs))
	for i, b := range r.Blobs {
		if all[b.Short] {
			return fmt.Errorf("blob %s: it is there twice", b.Short)
		}
		all[b.Short] = true
		if b.Size < 0 || b.Size > maxBlobSize {
			return fmt.Errorf("blob %s: %d bytes", b.Short, b.Size)
		}
		if i > 0 && samePlaces(r.Blobs[i-1].In, b.In) {
			if string(r.Blobs[i-1].Short[:]) >= string(b.Short[:]) {
				return fmt.Errorf("blob %s: it is not sorted, or there twice", b.Short)
			}
			continue
		}
		if len(b.In) == 0 || i > 0 && slices.CompareFunc(r.Blobs[i-1].In, b.In, comparePlaces) > 0 {
			return fmt.Errorf("blob %s: it is in no repository, or not sorted", b.Short)
		}
		last := ""
		for _, p := range b.In {
			if _, known := repos[p.Repo]; !known || p.Repo <= last {
				return fmt.Errorf("blob %s: repository %.300q is not listed, not sorted, or there twice", b.Short, p.Repo)
			}
			last = p.Repo
		}
	}
	return nil
}

// samePlaces reports whether two lists are equal; blobs mostly share one.
func samePlaces(a, b []Place) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || slices.Equal(a, b))
}
