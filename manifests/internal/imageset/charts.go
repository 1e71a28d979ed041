package imageset

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/helm"
)

// ChartValues are the values of a file, for the charts of one name.
type ChartValues struct {
	Chart string `json:"chart"`
	YAML  string `json:"yaml"`
	File  string `json:"-"` // that has them
}

// ParseChartValues checks the contents of a values file for the chart of that name.
func ParseChartValues(name, file string, values []byte) (ChartValues, error) {
	if err := helm.CheckValues(values); err != nil {
		return ChartValues{}, fmt.Errorf("values for chart %s: %w", name, err)
	}
	return ChartValues{Chart: name, YAML: string(values), File: file}, nil
}

// checkSupported refuses what is wrong with charts, or not carried of them.
func (h *Helm) checkSupported(p *Problems) {
	for i := range h.Repositories {
		h.Repositories[i].checkSupported(p, fmt.Sprintf("mirror.helm.repositories[%d]", i))
	}
	for i, ch := range h.Local {
		at := fmt.Sprintf("mirror.helm.local[%d]", i)
		ch.checkSupported(p, at)
		if p.required(at+".path", ch.Path) && strings.Contains(ch.Path, "://") {
			p.Add(at+".path", "%s.path is an address; it must be a file or directory. Charts elsewhere go under mirror.helm.repositories", at)
		}
	}
}

func (r *HelmRepository) checkSupported(p *Problems, at string) {
	registry := strings.HasPrefix(r.URL, SchemeOCI)
	if p.required(at+".url", r.URL) && !registry {
		if _, err := ParseRepository(r.URL); err != nil {
			p.Add(at+".url", "%s.url: %v", at, err)
		}
	}
	if registry && len(r.Charts) == 0 {
		p.Add(at+".url", "%s names no charts, and a registry does not list them: name each under charts, with its version", at)
	}
	for k, ch := range r.Charts {
		path := fmt.Sprintf("%s.charts[%d]", at, k)
		ch.checkSupported(p, path)
		p.required(path+".name", ch.Name)
		if registry && !helm.IsVersion(ch.Version) {
			p.Add(path, "%s: a registry does not list versions; name the one that is to be carried", path)
		}
	}
}

func (ch *Chart) checkSupported(p *Problems, at string) {
	for i, expr := range ch.ImagePaths {
		if _, err := helm.ParsePath(expr); err != nil {
			path := fmt.Sprintf("%s.imagePaths[%d]", at, i)
			p.Add(path, "%s is not a JSONPath expression such as {.spec.image}: %v", path, err)
		}
	}
}

const SchemeOCI = "oci://"

// ParseRepository reads the address of a chart repository.
func ParseRepository(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("it is not an address")
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, errors.New("it must begin with https://, http:// or oci://, and a host")
	}
	return u, nil
}
