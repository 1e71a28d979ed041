package imageset

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/satchel-airgap/satchel/manifests/internal/graphdata"
	"github.com/satchel-airgap/satchel/oci"
)

// GraphDataURL is where Red Hat publishes the data.
const GraphDataURL = "https://api.openshift.com/api/upgrades_info/graph-data"

// GraphDataURL is the address of the data, and the same without query and password for
// messages. Another graph server is asked for it beside its graph, where
// api.openshift.com has it.
func (c *Config) GraphDataURL() (link, bare string, err error) {
	if c.Extra.GraphData.URL != "" {
		link = c.Extra.GraphData.URL
	} else if link = c.Extra.UpdateURL; link == "" {
		return GraphDataURL, GraphDataURL, nil
	}
	u, err := url.Parse(link)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", "", errors.New("it is not an http or https address")
	}
	if c.Extra.GraphData.URL == "" {
		dir, ok := strings.CutSuffix(u.Path, "/graph")
		if !ok {
			return "", "", errors.New("its path does not end in /graph, next to which the graph data would be")
		}
		u.Path, u.RawPath = strings.TrimSuffix(dir, "/v1")+"/graph-data", ""
	}
	link = u.String()
	u.RawQuery, u.User = "", nil
	return link, u.String(), nil
}

// checkGraph refuses an address that cannot be right, and flags for a graph that
// nobody asked for.
func (c *Config) checkGraph(p *Problems) {
	x := &c.Extra
	if !c.Mirror.Platform.Graph {
		if x.GraphData != (GraphData{}) || x.GraphBase != (oci.Ref{}) {
			p.AddAtKey("mirror", "set mirror.platform.graph: true, or name neither graph data nor a base image",
				"graph data or a base image is named, and mirror.platform.graph does not ask for it")
			p.About("GraphData")
		}
		return
	}
	if x.GraphData.File != "" {
		return
	}
	if _, _, err := c.GraphDataURL(); err != nil {
		p.AddAtKey("mirror.platform.graph", "name the address of the graph data, or a file that has it",
			"mirror.platform.graph: UPDATE_URL_OVERRIDE names another graph server, and says not where its graph data is: %v", err)
		p.About("GraphData")
	}
}

// GraphData says where the data of the graph image comes from: an address, or a file of
// this host. Empty is Red Hat's address, or what is beside [Extra].UpdateURL.
type GraphData struct {
	URL    string        `json:"url,omitempty"`
	File   string        `json:"-"`
	Digest digest.Digest `json:"digest,omitempty"` // of the file, as it was when it was named
}

// ParseGraphData takes what --graph-data names, and looks into a file.
func ParseGraphData(name string) (GraphData, error) {
	if strings.Contains(name, "://") {
		g := GraphData{URL: name}
		if u, err := url.Parse(name); err == nil && u.User != nil {
			return g, errors.New("the address has a user or a password in it, which others may see here; fetch the file, and name that")
		}
		_, _, err := (&Config{Extra: Extra{GraphData: g}}).GraphDataURL()
		return g, err
	}
	g := GraphData{File: name}
	body, err := readGraphFile(name)
	g.Digest = oci.Digest(body)
	return g, err
}

// Read gives the file, if it is still the same.
func (g GraphData) Read() ([]byte, error) {
	body, err := readGraphFile(g.File)
	if err == nil && oci.Digest(body) != g.Digest {
		err = fmt.Errorf("%s has changed since this began", g.File)
	}
	return body, err
}

func readGraphFile(name string) (body []byte, err error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() { // it is read once more later
		return nil, fmt.Errorf("%s is not a regular file; save what it gives to one", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	body, err = io.ReadAll(io.LimitReader(f, graphdata.MaxArchive+1))
	if len(body) > graphdata.MaxArchive {
		return nil, fmt.Errorf("%s has more than %d bytes", name, graphdata.MaxArchive)
	}
	return body, err
}
