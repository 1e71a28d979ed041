package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/manifests/internal/objects"
	"github.com/satchel-airgap/satchel/oci/text"
)

// kind is what a file is given for. It may have other objects too.
type kind struct {
	name  string   // of one object, for messages
	kinds []string // that count; the first is that of an object which says none
	get   string   // the command that prints such a file
}

// What files are given for.
var (
	pods            = kind{"pod", []string{"Pod"}, "oc get pods -A -o yaml"}
	clusterVersions = kind{"ClusterVersion", []string{"ClusterVersion", "HostedCluster"}, "oc get clusterversion -o yaml"}
	subscriptions   = kind{"Subscription", []string{"Subscription", "ClusterExtension", "ClusterServiceVersion"}, "oc get subscriptions.operators.coreos.com -A -o yaml"}
)

// maxNames is how many different images may be in use.
const maxNames = 1 << 18

// Error says what is wrong with a file, and nothing of what is in it.
type Error struct {
	Why, hint string
}

func (e *Error) Error() string { return e.Why }

// Hint says what to do now.
func (e *Error) Hint() string { return e.hint }

// Permanent reports that the same file is wrong every time.
func (e *Error) Permanent() bool { return true }

// wrong makes an error of what a file is.
func (k kind) wrong(format string, args ...any) error {
	return &Error{fmt.Sprintf(format, args...), "write the file with: " + k.get + " > FILE"}
}

// Use is what objects name. The zero value names nothing.
type Use struct {
	Releases  []Release
	Operators []Operator
	Digests   map[string]Name // sha256:HEX
	Tags      map[string]Name // HOST[:PORT]/REPOSITORY:TAG
	// Namespaces are those that pods were read of.
	Namespaces map[string]bool
	// Clusters are those that there is a ClusterVersion or HostedCluster of, by their IDs.
	Clusters map[string]bool
}

// Name says who names an image.
type Name struct {
	By   string // the first: its kind, namespace and name
	Live bool   // not only pods that have ended
}

// ReadPods adds a file that has pods. name is the file's, for [Release].From and the like.
// Errors are *[Error]s, and those of r.
func (u *Use) ReadPods(name string, r io.Reader) error { return u.read(name, r, pods) }

// ReadClusterVersion adds a file that has a ClusterVersion, as [Use.ReadPods] does.
func (u *Use) ReadClusterVersion(name string, r io.Reader) error {
	return u.read(name, r, clusterVersions)
}

// ReadSubscriptions adds a file that has Subscriptions, as [Use.ReadPods] does.
func (u *Use) ReadSubscriptions(name string, r io.Reader) error {
	return u.read(name, r, subscriptions)
}

func (u *Use) read(name string, r io.Reader, kind kind) error {
	in, err := kind.opened(r)
	if err != nil {
		return err
	}
	one := reading{use: u, file: name, kind: kind}
	err = objects.Reader{Object: one.object, List: one.list, What: "object", Wrong: "no YAML"}.Read(in)
	var known *Error
	switch {
	case errors.As(err, &known):
		return err
	case in.err != nil:
		return in.err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return kind.wrong("it ends in the middle of an object")
	case err != nil:
		return kind.wrong("it has no objects in YAML or JSON, as oc prints them")
	case one.found == 0:
		return kind.wrong("there is no %s in it", kind.name)
	}
	return nil
}

// file is what is read, and the error of reading it.
type file struct {
	io.Reader
	err error
}

func (f *file) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		f.err = err
	}
	return n, err
}

// opened looks at the beginning of a file.
func (k kind) opened(r io.Reader) (*file, error) {
	f := &file{Reader: r}
	in := bufio.NewReaderSize(f, 4096)
	head, _ := in.Peek(512) // an error comes again
	if f.err != nil {
		return nil, f.err
	}
	start := bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	if len(start) < len(head) {
		_, _ = in.Discard(len(head) - len(start)) // it was seen
	}
	first, _, _ := bytes.Cut(bytes.TrimLeft(start, " \t\r\n"), []byte("\n"))
	switch words := strings.Fields(string(first)); {
	case packed(head):
		return nil, &Error{"it is compressed", hintUnpack}
	case bytes.HasPrefix(head, []byte("\xff\xfe")) || bytes.HasPrefix(head, []byte("\xfe\xff")) || bytes.IndexByte(head, 0) >= 0:
		return nil, &Error{"it is UTF-16 or binary, and must be UTF-8", "PowerShell writes UTF-16 with >: use " + k.get + " | Out-File -Encoding utf8 FILE"}
	case len(first) == 0 && len(head) < 512:
		return nil, k.wrong("it is empty")
	case strings.HasPrefix(string(first), "-----BEGIN "):
		return nil, k.wrong("it is a PEM file, such as a certificate or a key, and must be YAML or JSON")
	case len(words) > 1 && isTable(words):
		return nil, k.wrong("it is a table, and must be YAML or JSON")
	}
	return &file{Reader: in}, nil
}

// hintUnpack is for files that are compressed.
const hintUnpack = "unpack it first (tar -xf for a .tar.gz or .tgz, gunzip for a .gz), and name what comes out of it"

// packed reports whether a file that begins so is an archive, or compressed.
func packed(head []byte) bool {
	for _, magic := range []string{"\x1f\x8b", "BZh", "PK\x03\x04", "\xfd7zXZ", "\x28\xb5\x2f\xfd"} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return true
		}
	}
	const tarAt = 257 // of its magic
	return len(head) > tarAt && bytes.HasPrefix(head[tarAt:], []byte("ustar"))
}

// isTable reports whether the words of a line are the head of a table of oc.
func isTable(words []string) bool {
	for _, w := range words {
		if strings.ToUpper(w) != w || strings.ContainsAny(w, ":{}[]\"#") || w == "---" {
			return false
		}
	}
	return true
}

// reading is one file.
type reading struct {
	use   *Use
	file  string
	kind  kind
	found int // objects that the file is given for

	clusters int // in it
}

// head is what all objects have.
type head struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
	Metadata   struct {
		Name      string `json:"name"`
		Namespace string `json:"namespace"`
	} `json:"metadata"`
}

// list refuses a list that has no kind: oc writes it last.
func (r *reading) list(_, kind string) error {
	if kind == "" {
		return r.kind.wrong("its list has no end: the file is not whole")
	}
	return nil
}

func (r *reading) object(body []byte) error {
	var h head
	if err := json.Unmarshal(body, &h); err != nil {
		return r.kind.wrong("one of its objects has fields of another type")
	}
	if h.Kind == "" {
		h.Kind = r.kind.kinds[0]
	}
	if strings.HasSuffix(h.Kind, "List") && h.Metadata.Name == "" {
		return nil // an empty one
	}
	counts := slices.Contains(r.kind.kinds, h.Kind)
	if h.Kind == "Subscription" && h.APIVersion != "" && !strings.HasPrefix(h.APIVersion, "operators.coreos.com/") {
		counts = false // other programs have Subscriptions too
	}
	if counts {
		r.found++
	}
	err := r.typed(h, body)
	var known *Error
	switch {
	case errors.As(err, &known):
		return known
	case err != nil:
		return r.kind.wrong("its %s has fields of another type", text.ASCII(text.Cut(h.Kind, 64)))
	case len(r.use.Digests)+len(r.use.Tags) > maxNames:
		return r.kind.wrong("it names more than %d images", maxNames)
	}
	return nil
}

// typed reads an object as its kind wants.
func (r *reading) typed(h head, body []byte) error {
	switch h.Kind {
	case "ClusterVersion":
		return r.clusterVersion(body)
	case "HostedCluster":
		if err := r.hostedCluster(body); err != nil {
			return err
		}
	case "Node", "Event", "Secret":
		return nil // what a node has stored is not in use; a Secret is nobody's business
	case "Subscription":
		if strings.HasPrefix(h.APIVersion, "operators.coreos.com/") || h.APIVersion == "" {
			return r.subscription(h, body)
		}
		return nil
	case "ClusterExtension":
		if err := r.extension(h, body); err != nil {
			return err
		}
	case "Pod":
		if r.use.Namespaces == nil {
			r.use.Namespaces = map[string]bool{}
		}
		r.use.Namespaces[h.Metadata.Namespace] = true
	}
	return r.names(h, body)
}

// by says which object something is from.
func (r *reading) by(h head) string {
	kind := h.Kind
	if kind == "Pod" {
		kind = "pod"
	}
	name := h.Metadata.Name
	if h.Metadata.Namespace != "" {
		name = h.Metadata.Namespace + "/" + name
	}
	return text.ASCII(text.Cut(kind+" "+name, 200))
}
