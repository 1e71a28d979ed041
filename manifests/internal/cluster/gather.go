package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/objects"
	"github.com/satchel-airgap/satchel/oci/text"
)

// maxState is how much memory one cluster may take, in bytes; large ones take some megabytes.
const maxState = 24 << 20

// gathering is the reading of one cluster.
type gathering struct {
	state    *State
	left     int // of maxState
	at       map[objectKey]int
	images   map[imageKey]int
	tags     map[string]tag             // of ImageStreams, by NAMESPACE/NAME:TAG and NAMESPACE/NAME@DIGEST
	internal map[string]bool            // names of the cluster's own registry
	config   map[string]bool            // namespaces whose ConfigMaps were asked for
	listed   map[*known]map[string]bool // namespaces whose objects of a kind were listed
	broken   map[string]bool            // kinds that a file was to have which cannot be read
	silent   map[string]bool            // what a query got no answer for, by kind
	objects  int                        // of kinds that are known

	starting   map[Start]*starting // without their pods
	startBytes int                 // that they take
	cronJobs   map[string]string   // of Jobs, by NAMESPACE/NAME

	file  string          // that is read now
	loose bool            // it is one of a directory, and nothing says what it is
	path  place           // of it in a must-gather; zero for other files
	query query           // what the file says of the query
	older map[string]bool // kinds that the line of the query did not know yet
	part  bool            // there are other readings of the cluster, which may have what this one lacks
}

type objectKey struct{ kind, namespace, name string }

// query is what the marks of a file say.
type query struct {
	version      int
	ended        bool
	asked, heard map[string]bool
}

func gather(name string) *gathering {
	s := newState(name, nil)
	s.Use, s.namespaces = &Use{}, map[string]bool{}
	return &gathering{state: s, left: maxState, at: map[objectKey]int{}, images: map[imageKey]int{}, tags: map[string]tag{},
		internal: map[string]bool{}, config: map[string]bool{}, listed: map[*known]map[string]bool{}, broken: map[string]bool{}, silent: map[string]bool{}, older: map[string]bool{},
		starting: map[Start]*starting{}, cronJobs: map[string]string{}}
}

// fetched is what a file is that [Query] wrote, for errors.
var fetched = kind{name: "object of a cluster", get: "satchel's query of a cluster"}

const noVersion = "%s: there is no ClusterVersion in it, so the version of the cluster is not known"

const hintQuery = "write the file again with the line that fetches what a cluster is"

// objectName is what an object, or a namespace, may be called: pages for a shell name them.
var objectName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]*$`)

func (g *gathering) wrong(format string, args ...any) error {
	return &Error{Why: fmt.Sprintf(format, args...), hint: hintQuery}
}

// spend counts memory.
func (g *gathering) spend(n int) error {
	if g.left -= n; g.left < 0 {
		return g.wrong("what must be kept of it has more than %d MiB", maxState>>20)
	}
	return nil
}

// read reads one file.
func (g *gathering) read(name string, in place, r io.Reader) error {
	g.file, g.path, g.query = name, in, query{asked: map[string]bool{}, heard: map[string]bool{}}
	f, err := fetched.opened(r)
	if err != nil {
		var known *Error
		if errors.As(err, &known) && known.hint != hintUnpack {
			known.hint = hintQuery
		}
		return err
	}
	err = objects.Reader{Object: g.object, List: g.endList, What: "object", Wrong: "no YAML"}.Read(f)
	var known *Error
	switch {
	case errors.As(err, &known):
		return err
	case f.err != nil:
		return f.err
	case err != nil && g.query.version > 0: // the mark at its end was not read
		return g.wrong("it is not whole, or was changed: it cannot be read to the mark that the query puts at its end")
	case errors.Is(err, io.ErrUnexpectedEOF):
		return g.wrong("it ends in the middle of an object")
	case err != nil:
		return g.wrong("it has no objects in YAML or JSON, as oc prints them")
	case g.query.version > 0 && !g.query.ended:
		return g.wrong("it is not whole: the query was stopped before its end")
	}
	return g.answered()
}

// answered takes what the marks say of kinds.
func (g *gathering) answered() error {
	if g.query.version == 0 {
		return nil
	}
	if name := ofKind("config.openshift.io/v1", "ClusterVersion").name(); !g.query.asked[name] {
		return g.wrong("it is not whole: the query did not ask for %s", name)
	}
	for _, k := range kinds {
		name := k.name()
		switch {
		case k.aside:
		case g.query.heard[name]:
			g.state.whole[k.kind] = true
		case k.own || g.query.asked[name]:
			g.silent[k.kind] = true
		case k.since > g.query.version:
			g.older[name] = true
		default: // the cluster has no such kind
			g.state.whole[k.kind], g.state.unserved[k.kind] = true, true
		}
	}
	for _, ns := range []string{namespaceConfig, namespaceManaged} {
		if name := "configmaps/" + ns; g.query.heard[name] {
			g.config[ns] = true
		} else {
			g.silent[name] = true
		}
	}
	return nil
}

// endList takes a list that was read whole. One of a single kind has all objects that the whole cluster
// has of it, but nothing says whether it was asked for in all namespaces. The List that oc prints
// says nothing: its objects may have been picked by name or label.
func (g *gathering) endList(apiVersion, kind string) error {
	if kind == "" {
		return g.wrong("its list has no end: the file is not whole")
	}
	of, ok := strings.CutSuffix(kind, "List")
	k := ofKind(apiVersion, of)
	switch {
	case !ok || k == nil:
	case !k.spaced:
		g.state.whole[k.kind] = true
	case k == &configMaps:
		g.config[g.path.namespace] = true
	}
	return nil
}

// object takes one object.
func (g *gathering) object(body []byte) error {
	var h head
	if err := json.Unmarshal(body, &h); err != nil {
		return g.wrong("one of its objects has fields of another type")
	}
	if h.Kind == kindQuery && h.APIVersion == "" {
		return g.mark(body)
	}
	k := ofKind(h.APIVersion, h.Kind)
	if g.path.kind != nil {
		if h.Kind == "" { // as some versions of oc write the items of lists
			k = g.path.kind
			h.Kind, h.APIVersion = k.kind, strings.TrimPrefix(k.group+"/v1", "/")
		}
		if k != g.path.kind {
			return nil
		}
		if h.Metadata.Namespace == "" {
			h.Metadata.Namespace = g.path.namespace
		}
	}
	if k == nil || h.Metadata.Name == "" {
		return nil // an empty list, or none of our business
	}
	if !objectName.MatchString(h.Metadata.Name) || h.Metadata.Namespace != "" && !objectName.MatchString(h.Metadata.Namespace) {
		return g.wrong("one of its objects has a name that no API server takes")
	}
	if len(h.Metadata.Name)+len(h.Metadata.Namespace) > 2*253 {
		return g.wrong("one of its objects has a name that no object can have")
	}
	if g.loose && unapplied(body) {
		return nil
	}
	g.objects++
	g.state.revision = max(g.state.revision, age(body))
	g.state.seen[k.kind] = true
	if k.only != "" && k.only == h.Metadata.Name {
		g.state.whole[k.kind] = true
	}
	if err := g.known(k, h, body); err != nil {
		var known *Error
		if errors.As(err, &known) {
			return err
		}
		return g.wrong("its %s %s has fields of another type", h.Kind, text.ASCII(h.Metadata.Name))
	}
	return nil
}

// unapplied reports whether an object is one that satchel wrote for a cluster, and no API server gave.
func unapplied(body []byte) bool {
	var o struct {
		Metadata struct {
			Labels          map[string]string `json:"labels"`
			UID             string            `json:"uid"`
			ResourceVersion string            `json:"resourceVersion"`
		} `json:"metadata"`
	}
	return json.Unmarshal(body, &o) == nil && o.Metadata.Labels[labelOurs] == ours && o.Metadata.UID == "" && o.Metadata.ResourceVersion == ""
}

// mark takes a mark of the query.
func (g *gathering) mark(body []byte) error {
	var m struct {
		Version         int `json:"version"`
		Asked, Answered string
		End             bool `json:"end"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return g.wrong("a mark of the query in it cannot be read")
	}
	switch {
	case m.Version > queryVersion:
		return g.wrong("the line of a newer satchel wrote it")
	case m.Version > 0:
		g.query.version = m.Version
	case m.Asked != "" && len(g.query.asked) < len(kinds)+2:
		g.query.asked[m.Asked] = true
	case m.Answered != "" && len(g.query.heard) < len(kinds)+2:
		g.query.heard[m.Answered] = true
	}
	g.query.ended = m.End
	return nil
}

// known takes an object of a kind that is known.
func (g *gathering) known(k *known, h head, body []byte) error {
	if k.kind == "ClusterServiceVersion" && copied(body) {
		return nil
	}
	if err := g.use(k, h, body); err != nil {
		return err
	}
	switch {
	case k.kind == "Pod":
		g.state.namespaces[h.Metadata.Namespace] = true
		if err := g.owner(h, body); err != nil {
			return err
		}
	case k.kind == "ImageStream":
		return g.stream(h, body)
	case k.kind == "BuildConfig":
		if err := g.buildConfig(h, body); err != nil {
			return err
		}
	case !k.keep, k.kind == "DeploymentConfig":
		if err := g.owner(h, body); err != nil {
			return err
		}
	}
	if !k.keep {
		return nil
	}
	return g.keep(k, h, body)
}

// use notes what an object names, as for files of prune.
func (g *gathering) use(k *known, h head, body []byte) error {
	switch k.kind {
	case "Namespace", "Node", "ConfigMap", "ClusterOperator", "InstallPlan", "APIRequestCount":
		return nil
	}
	one := reading{use: g.state.Use, file: g.state.Name, kind: fetched}
	if k.kind == "ClusterVersion" {
		id := idOf(body)
		for other := range g.clusters() {
			if other != id {
				return anotherCluster(other, id)
			}
		}
	}
	if err := one.typed(h, body); err != nil {
		return err
	}
	if len(g.state.Use.Digests)+len(g.state.Use.Tags) > maxNames {
		return g.wrong("it names more than %d images", maxNames)
	}
	return nil
}

// anotherCluster says that what was read together is of two clusters.
func anotherCluster(one, other string) error {
	return &Error{Why: "it is of another cluster than the other files: the cluster's IDs are " + text.ASCII(text.Cut(one, 64)) + " and " + text.ASCII(text.Cut(other, 64)), hint: "name what is of each cluster alone"}
}

// clusters gives the IDs of the ClusterVersions that were read: one.
func (g *gathering) clusters() map[string]bool {
	ids := map[string]bool{}
	if i, ok := g.at[objectKey{"ClusterVersion", "", "version"}]; ok {
		ids[idOf(g.state.objects[i].Body)] = true
	}
	return ids
}

func idOf(body []byte) string {
	var cv struct {
		Spec struct {
			ClusterID string `json:"clusterID"`
		} `json:"spec"`
	}
	if json.Unmarshal(body, &cv) != nil || !objectName.MatchString(cv.Spec.ClusterID) {
		return ""
	}
	return cv.Spec.ClusterID
}

// copied reports whether a ClusterServiceVersion is a copy of one in another namespace.
func copied(body []byte) bool {
	var csv struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		Status struct {
			Reason string `json:"reason"`
		} `json:"status"`
	}
	return json.Unmarshal(body, &csv) == nil && (csv.Metadata.Labels["olm.copiedFrom"] != "" || csv.Status.Reason == "Copied")
}

// mayKeep reports whether an object is kept: of ConfigMaps those that may be named, of some kinds those that
// something is left of, of the rest all.
func mayKeep(o Object) bool {
	if o.Kind == "InstallPlan" || o.Kind == "APIRequestCount" {
		return !trimmedAway(o.Body)
	}
	_, signature := o.Labels[labelSignatures]
	switch {
	case o.Kind != configMaps.kind, o.Labels[labelOurs] == ours, o.Namespace == namespaceConfig:
		return true
	}
	return o.Namespace == namespaceManaged && (o.Name == adminGates || signature)
}

// keep adds an object to the state. Of one that is read twice the newer counts.
func (g *gathering) keep(k *known, h head, body []byte) error {
	trimmed, err := k.trimmed(body)
	if err != nil {
		return err
	}
	var meta struct {
		Metadata struct {
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(body, &meta); err != nil {
		return err
	}
	one := Object{APIVersion: h.APIVersion, Kind: h.Kind, Namespace: h.Metadata.Namespace, Name: h.Metadata.Name, Labels: meta.Metadata.Labels, Body: trimmed}
	if !mayKeep(one) {
		return nil
	}
	if err := g.spend(2*len(trimmed) + 256); err != nil {
		return err
	}
	key := objectKey{h.Kind, h.Metadata.Namespace, h.Metadata.Name}
	i, twice := g.at[key]
	switch {
	case !twice:
		g.at[key] = len(g.state.objects)
		g.state.objects = append(g.state.objects, one)
	case age(one.Body) >= age(g.state.objects[i].Body):
		g.state.objects[i] = one
	}
	return nil
}

// age is the number that the API server counts changes by.
func age(body []byte) uint64 {
	var meta struct {
		Metadata struct {
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	if json.Unmarshal(body, &meta) != nil {
		return 0
	}
	n, _ := strconv.ParseUint(meta.Metadata.ResourceVersion, 10, 64)
	return n
}

func (g *gathering) note(format string, args ...any) {
	const most = 20
	if len(g.state.notes) < most {
		g.state.notes = append(g.state.notes, text.Printable(fmt.Sprintf(format, args...)))
	}
}

// end makes the state of what was read.
func (g *gathering) end() (*State, error) {
	if g.objects == 0 {
		return nil, g.wrong("there is no %s in it", fetched.name)
	}
	s := g.state
	named := map[string]bool{adminAcks: true, "registry-config": true, "satchel-before": true}
	for _, name := range s.authorities() {
		named[name] = true
	}
	s.objects = slices.DeleteFunc(s.objects, func(o Object) bool {
		return o.Kind == configMaps.kind && o.Namespace == namespaceConfig && !named[o.Name] && o.Labels[labelOurs] != ours
	})
	g.resolve()
	s.Starts = g.started()
	g.noteStarts()
	if g.config[namespaceConfig] && g.config[namespaceManaged] {
		s.whole[configMaps.kind] = true
	}
	g.everywhere()
	g.incapable()
	for kind := range g.broken {
		delete(s.whole, kind)
		delete(s.unserved, kind)
	}
	done := newState(s.Name, s.objects)
	if _, ok := done.One("ClusterVersion", "", "version"); !ok && !g.part {
		g.note(noVersion, s.Name)
	}
	if len(g.older) > 0 {
		g.note("the line of an older satchel fetched what the cluster is, and did not ask for %s, which counts as not known: fetch it again with the line that satchel cluster-query prints now", text.Some(slices.Sorted(maps.Keys(g.older)), 8))
	}
	if silent := g.unanswered(); len(silent) > 0 {
		g.note("the cluster did not answer what was asked of %s; it counts as not known", text.Some(silent, 8))
	}
	done.seen, done.whole, done.unserved, done.revision = s.seen, s.whole, s.unserved, s.revision
	done.Use, done.Images, done.namespaces, done.notes = s.Use, s.Images, s.namespaces, s.notes
	done.Starts, done.StartsLeft = s.Starts, s.StartsLeft
	return done, nil
}

// everywhere finds the kinds of which a must-gather has a list for each namespace that there is.
func (g *gathering) everywhere() {
	if !g.state.whole["Namespace"] {
		return
	}
	for k, listed := range g.listed {
		has := func(one Object) bool { return one.Kind != "Namespace" || listed[one.Name] }
		if k != &configMaps && !slices.ContainsFunc(g.state.objects, func(one Object) bool { return !has(one) }) {
			g.state.whole[k.kind] = true
		}
	}
}

// incapable finds the kinds that the cluster does not have because a capability is not enabled:
// oc then says that the server has no such resource type, as it does where the server is away.
func (g *gathering) incapable() {
	one, ok := g.state.One("ClusterVersion", "", "version")
	var cv struct {
		Status struct {
			Capabilities struct {
				Enabled []string `json:"enabledCapabilities"`
				Known   []string `json:"knownCapabilities"`
			} `json:"capabilities"`
		} `json:"status"`
	}
	if !ok || json.Unmarshal(one.Body, &cv) != nil {
		return
	}
	for _, k := range kinds {
		c := cv.Status.Capabilities
		if k.capability != "" && slices.Contains(c.Known, k.capability) && !slices.Contains(c.Enabled, k.capability) {
			g.state.whole[k.kind], g.state.unserved[k.kind] = true, true
		}
	}
}

// unanswered names what no query had an answer for, as oc takes it.
func (g *gathering) unanswered() (names []string) {
	for kind := range g.silent {
		if g.state.whole[kind] {
			continue
		}
		if k := find(func(k *known) bool { return k.kind == kind }); k != nil {
			kind = k.name()
		}
		names = append(names, kind)
	}
	return text.Sorted(names)
}
