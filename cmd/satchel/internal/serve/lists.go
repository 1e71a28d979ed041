package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sort"
	"strconv"
	"strings"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/satchel-airgap/satchel/oci"
)

// tags answers with the tags of a repository.
func (g *Registry) tags(a *answer, r *http.Request, t target) {
	if list, ok := page(a, r, g.repos[t.name].sorted); ok {
		a.json(http.StatusOK, struct {
			Name string   `json:"name"`
			Tags []string `json:"tags"`
		}{t.name, list})
	}
}

// catalog answers with the names of repositories.
func (g *Registry) catalog(a *answer, r *http.Request) {
	if list, ok := page(a, r, g.names); ok {
		a.json(http.StatusOK, struct {
			Repositories []string `json:"repositories"`
		}{list})
	}
}

// page gives the part of a sorted list that a request asks for by n and last, and sets the link
// to the next one.
func page(a *answer, r *http.Request, list []string) ([]string, bool) {
	query := r.URL.Query()
	if last := query.Get("last"); last != "" {
		list = list[sort.Search(len(list), func(i int) bool { return lexical(list[i], last) > 0 }):]
	}
	if !query.Has("n") {
		return append([]string{}, list...), true // an empty list is no null
	}
	n, err := strconv.Atoi(query.Get("n"))
	if err != nil || n < 0 {
		a.refuse(http.StatusBadRequest, codeUnsupported, "n=%q is not a number of results", query.Get("n"))
		return nil, false
	}
	if n > 0 && n < len(list) {
		link(a, r, url.Values{"n": {strconv.Itoa(n)}, "last": {list[n-1]}})
	}
	return append([]string{}, list[:min(n, len(list))]...), true
}

// link names the next page.
func link(a *answer, r *http.Request, query url.Values) {
	next := url.URL{Path: r.URL.Path, RawQuery: query.Encode()}
	a.Header().Set("Link", fmt.Sprintf(`<%s>; rel="next"`, next.RequestURI()))
}

// mostIndex is how many bytes of descriptors one answer has, below what clients take as a manifest.
const mostIndex = 3 << 20

// referrers answers with the manifests that name another as their subject. What nobody refers to
// has an empty list, and so has a repository that is not there: 404 would say that there is no
// such list at all.
func (g *Registry) referrers(a *answer, r *http.Request, t target) {
	subject, ok := digestOf(a, t.ref)
	if !ok {
		return
	}
	select {
	case g.lists <- struct{}{}:
		defer func() { <-g.lists }()
	case <-r.Context().Done():
		return
	}
	index := ispec.Index{MediaType: oci.MediaTypeIndex, Manifests: []oci.Descriptor{}}
	index.SchemaVersion = 2
	query := r.URL.Query()
	wanted := strings.ReplaceAll(query.Get("artifactType"), " ", "+") // as people write it: +json, not %2Bjson
	if wanted != "" {
		a.Header().Set("Oci-Filters-Applied", "artifactType")
	}
	if repo := g.repos[t.name]; repo != nil {
		size := 0
		for _, d := range repo.referrers[subject] {
			if d.String() <= query.Get("last") {
				continue
			}
			ref, err := g.referrer(r, repo.manifests[d])
			if err != nil {
				g.failed(a, r, err)
				return
			}
			if wanted != "" && ref.ArtifactType != wanted {
				continue
			}
			text, err := json.Marshal(ref)
			if size += len(text); err == nil && size > mostIndex && len(index.Manifests) > 0 {
				query.Set("last", index.Manifests[len(index.Manifests)-1].Digest.String())
				link(a, r, query)
				break
			}
			index.Manifests = append(index.Manifests, ref)
		}
	}
	a.Header().Set("Content-Type", oci.MediaTypeIndex)
	a.json(http.StatusOK, index)
}

// referrer describes a manifest as the list of referrers has it.
func (g *Registry) referrer(r *http.Request, d oci.Descriptor) (oci.Descriptor, error) {
	body, err := oci.ReadManifest(r.Context(), g.src, d)
	if err != nil {
		return d, err
	}
	m, err := oci.ParseManifest(d, body)
	if err != nil {
		return d, err
	}
	d.ArtifactType, d.Annotations = m.ArtifactType, m.Annotations
	if d.ArtifactType == "" && m.Config != nil {
		d.ArtifactType = m.Config.MediaType
	}
	return d, nil
}
