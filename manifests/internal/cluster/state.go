package cluster

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/blang/semver/v4"
)

// Object is one object of a cluster, as the API server gave it.
type Object struct {
	APIVersion string
	Kind       string
	Namespace  string // "" for those of the whole cluster
	Name       string
	Labels     map[string]string
	Body       json.RawMessage // the whole object
}

// Group is the API group, without the version; "" for the core group.
func (o Object) Group() string {
	for i := range len(o.APIVersion) {
		if o.APIVersion[i] == '/' {
			return o.APIVersion[:i]
		}
	}
	return ""
}

// Ours reports whether the object says that satchel made it.
func (o Object) Ours() bool { return o.Labels[labelOurs] == ours }

// State is what one cluster is: its objects, as far as they were asked for. A nil State knows
// nothing, and so does the zero value.
type State struct {
	Name    string // what the cluster is called in messages and directories
	Version string // of the release that runs, as given by hand; else it is in ClusterVersion
	// Use is what all objects name, those too that are not kept; nil: none was read.
	Use *Use
	// Images are those that pods run, and that their owners would run, of all namespaces, sorted.
	// Each is there once for each kind of object, namespace, image and ID.
	Images []ImageUse
	// Starts are the containers of all that runs, and of what would start some, of all namespaces,
	// sorted; StartsLeft is how many there were besides.
	Starts     []Start
	StartsLeft int

	objects    []Object        // sorted by kind, namespace and name
	whole      map[string]bool // kinds of which every object was read, of all namespaces
	seen       map[string]bool // kinds of which some object was read
	unserved   map[string]bool // kinds that the cluster does not know; they are among whole
	namespaces map[string]bool // that pods were read of
	notes      []string
	revision   uint64   // the newest change of an object that was read; the API server counts them
	undated    []string // readings that were joined, of which nothing says which was written later
}

// NewState makes a state of all objects that a cluster has of some kinds: of those that there is an
// object of, and of none, which have none.
func NewState(name string, objects []Object, none ...string) *State {
	s := newState(name, objects)
	for _, o := range s.objects {
		s.whole[o.Kind] = true
	}
	for _, kind := range none {
		s.whole[kind] = true
	}
	return s
}

// newState makes a state of objects, of no kind of which it is known that there are no others.
func newState(name string, objects []Object) *State {
	s := &State{Name: name, objects: slices.Clone(objects), whole: map[string]bool{}, seen: map[string]bool{}, unserved: map[string]bool{}}
	slices.SortFunc(s.objects, func(a, b Object) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.APIVersion, b.APIVersion))
	})
	for _, o := range s.objects {
		s.seen[o.Kind] = true
	}
	return s
}

// Known reports whether every object of a kind was read, of all namespaces, so that one which is
// not in the state is not in the cluster either. The line of [Query] asks so. Objects of some
// namespaces, as a must-gather has them, do not make a kind known.
func (s *State) Known(kind string) bool { return s != nil && s.whole[kind] }

// Seen reports whether some object of a kind was read; there may be others.
func (s *State) Seen(kind string) bool { return s != nil && s.seen[kind] }

// Unserved reports whether the API server of the cluster is known not to take objects of a kind: it
// has no CustomResourceDefinition of it, or lacks the capability.
func (s *State) Unserved(kind string) bool { return s != nil && s.unserved[kind] && !s.seen[kind] }

// Of lists the objects of a kind, sorted by namespace and name.
func (s *State) Of(kind string) (list []Object) {
	if s == nil {
		return nil
	}
	for _, o := range s.objects {
		if o.Kind == kind {
			list = append(list, o)
		}
	}
	return list
}

// One gives an object by its name.
func (s *State) One(kind, namespace, name string) (Object, bool) {
	for _, o := range s.Of(kind) {
		if o.Namespace == namespace && o.Name == name {
			return o, true
		}
	}
	return Object{}, false
}

// Running is the version of the release that the cluster runs: the newest that was installed
// whole. ok is false where it is not known.
func (s *State) Running() (v semver.Version, ok bool) {
	if s == nil {
		return v, false
	}
	if s.Version != "" {
		v, err := semver.ParseTolerant(s.Version)
		return v, err == nil
	}
	one, ok := s.One("ClusterVersion", "", "version")
	if !ok {
		return v, false
	}
	var cv struct {
		Status struct {
			Desired release   `json:"desired"`
			History []release `json:"history"`
		} `json:"status"`
	}
	if json.Unmarshal(one.Body, &cv) != nil {
		return v, false
	}
	named := cv.Status.Desired.Version
	for _, r := range cv.Status.History {
		if r.State == "Completed" {
			named = r.Version
			break
		}
	}
	v, err := semver.Parse(named)
	return v, err == nil
}
