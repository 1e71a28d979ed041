package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is the kind of an object of the cluster that has rules.
type Kind string

// The kinds. The first two are for pulls by digest, the last for pulls by tag.
const (
	ContentSource Kind = "ImageContentSourcePolicy"
	DigestMirrors Kind = "ImageDigestMirrorSet"
	TagMirrors    Kind = "ImageTagMirrorSet"
)

// Tool is the program that wrote an object, as far as that can be seen.
type Tool string

// The tools. An object of anything or anyone else has none.
const (
	Satchel   Tool = "satchel"
	OcMirror  Tool = "oc-mirror"
	Oc        Tool = "oc"
	Installer Tool = "openshift-install"
)

// Object is an object of the cluster with rules.
type Object struct {
	Kind  Kind
	Name  string
	Tool  Tool     // "" is somebody else
	Group string   // one of the groups; [Generic] if nothing says more
	Rules []Rule   // as the object has them: a source may be there twice
	Never []string // sources that nodes never ask themselves
}

// String is the object as oc names it.
func (o Object) String() string { return strings.ToLower(string(o.Kind)) + "/" + o.Name }

// Digests reports whether the rules are for pulls by digest.
func (o Object) Digests() bool { return o.Kind != TagMirrors }

// fixed is the name of an object that grows: group and number.
var fixed = regexp.MustCompile(`^satchel-(` + Release + `|` + Operator + `|` + Generic + `)-([1-9][0-9]{0,5})$`)

// hashed is the name of an object that does not grow, see [Set.Name].
var hashed = regexp.MustCompile(`^satchel-(` + Release + `|` + Operator + `|` + Generic + `)-[0-9a-f]{12}$`)

// FixedName is the name of the object of that number, from 1, in a group.
func FixedName(group string, number int) string { return fmt.Sprintf("satchel-%s-%d", group, number) }

// Number is an object's number in its group, 0 if it is not one that grows.
func (o Object) Number() int {
	m := fixed.FindStringSubmatch(o.Name)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[2])
	return n
}

// Ours reports whether the object has a name as this program gives, of any kind.
func (o Object) Ours() bool { return fixed.MatchString(o.Name) || hashed.MatchString(o.Name) }

// is reports whether the object grows as one of a kind: only those are written again.
func (o Object) is(kind Kind) bool { return o.Kind == kind && o.Number() > 0 }

// within reports whether rules, by source, have every source and mirror of the object.
func (o Object) within(have map[string][]string) bool {
	return !slices.ContainsFunc(o.Rules, func(r Rule) bool { return len(without(r.Mirrors, have[r.Source])) > 0 })
}

// without gives what of a list another one does not have, each once.
func without(list, other []string) (rest []string) {
	for _, m := range list {
		if !slices.Contains(other, m) && !slices.Contains(rest, m) {
			rest = append(rest, m)
		}
	}
	return rest
}

// GroupNamed finds the group that an object of this program or of oc-mirror names
// in its own name, "" for none.
func GroupNamed(name string) string {
	for _, pattern := range []*regexp.Regexp{fixed, hashed, mirrored} {
		if m := pattern.FindStringSubmatch(name); m != nil {
			return m[1]
		}
	}
	return ""
}

// mirrored is how oc-mirror names its objects: v2 with the kind, v1 without.
var mirrored = regexp.MustCompile(`^(?:idms-|itms-)?(` + Release + `|` + Operator + `|` + Generic + `)-[0-9]+$`)
