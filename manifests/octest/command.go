package octest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"
)

// call is oc started once.
type call struct {
	Dir   string
	Args  []string
	Stdin string
}

// answer is what it printed and how it ended.
type answer struct {
	Out, Err string
	Code     int
}

// options are the flags of all commands together.
type options struct {
	namespace, output, selector, fields, patchType, patch, patchFile string
	kustomize, manager, to, toImage, waitFor, timeout                string
	image                                                            string
	files, fromFile, keys, literals                                  []string
	allNamespaces, ignoreNotFound, serverSide, force                 bool
	explicit, confirm, all, quiet, wait                              bool
}

func (c *Cluster) run(in call) (out answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() {
		if out.Code != 0 {
			c.failed = append(c.failed, "oc "+strings.Join(in.Args, " ")+": "+strings.TrimSpace(out.Err))
		}
	}()
	var o options
	f := flags(&o)
	args, command := in.Args, []string(nil)
	for i, a := range args {
		if a == "--" {
			args, command = args[:i], args[i+1:]
			break
		}
	}
	if err := f.Parse(args); err != nil {
		return answer{Err: "error: " + err.Error(), Code: 1}
	}
	words := f.Args()
	if len(words) == 0 {
		return answer{Err: "error: no command", Code: 1}
	}
	if c.Refuse != nil && c.Refuse(in.Args) {
		return answer{Err: "Unable to connect to the server: net/http: TLS handshake timeout\n", Code: 1}
	}
	text, code, err := c.do(in, &o, words, command)
	if err != nil {
		return answer{Out: text, Err: err.Error() + "\n", Code: max(code, 1)}
	}
	return answer{Out: text, Code: code}
}

func flags(o *options) *pflag.FlagSet {
	f := pflag.NewFlagSet("oc", pflag.ContinueOnError)
	f.StringVarP(&o.namespace, "namespace", "n", "", "")
	f.StringVarP(&o.output, "output", "o", "", "")
	f.StringVarP(&o.selector, "selector", "l", "", "")
	f.StringVar(&o.fields, "field-selector", "", "")
	f.StringVar(&o.patchType, "type", "", "")
	f.StringVarP(&o.patch, "patch", "p", "", "")
	f.StringVar(&o.patchFile, "patch-file", "", "")
	f.StringArrayVarP(&o.files, "filename", "f", nil, "")
	f.StringVarP(&o.kustomize, "kustomize", "k", "", "")
	f.StringVar(&o.manager, "field-manager", "kubectl", "")
	f.StringVar(&o.to, "to", "", "")
	f.StringVar(&o.toImage, "to-image", "", "")
	f.StringVar(&o.waitFor, "for", "", "")
	f.StringVar(&o.timeout, "timeout", "", "")
	f.StringVar(&o.image, "image", "", "")
	f.StringArrayVar(&o.fromFile, "from-file", nil, "")
	f.StringArrayVar(&o.literals, "from-literal", nil, "")
	f.StringSliceVar(&o.keys, "keys", nil, "")
	f.BoolVarP(&o.allNamespaces, "all-namespaces", "A", false, "")
	f.BoolVar(&o.ignoreNotFound, "ignore-not-found", false, "")
	f.BoolVar(&o.serverSide, "server-side", false, "")
	f.BoolVar(&o.force, "force-conflicts", false, "")
	f.BoolVar(&o.explicit, "allow-explicit-upgrade", false, "")
	f.BoolVar(&o.confirm, "confirm", false, "")
	f.BoolVar(&o.all, "all", false, "")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "")
	f.BoolVar(&o.wait, "wait", true, "")
	f.String("dry-run", "", "")
	f.String("minimum-stable-period", "", "")
	f.String("sort-by", "", "")
	f.Bool("no-headers", false, "")
	f.Bool("overwrite", false, "")
	f.Bool("allow-explicit-channel", false, "")
	return f
}

// do runs one command.
func (c *Cluster) do(in call, o *options, words, command []string) (string, int, error) {
	verb, rest := words[0], words[1:]
	var text string
	var err error
	switch verb {
	case "whoami":
		return "system:admin\n", 0, nil
	case "get":
		text, err = c.get(in, o, rest)
	case "diff":
		return c.diff(in, o)
	case "wait":
		text, err = c.await(in, o, rest)
	case "debug":
		c.asked = append(c.asked, "oc "+strings.Join(in.Args, " "))
		return c.debug(in, rest, command)
	case "extract":
		text, err = c.extract(in, o, rest)
	case "apply":
		text, err = c.applyFiles(in, o)
	case "create":
		text, err = c.create(in, o, rest)
	case "patch":
		text, err = c.patch(in, o, rest)
	case "delete":
		text, err = c.deletion(in, o, rest)
	case "set":
		text, err = c.set(in, o, rest)
	case "label", "annotate":
		text, err = c.mark(o, verb, rest)
	case "adm":
		text, err = c.adm(o, rest)
	default:
		err = fmt.Errorf("error: unknown command %q for \"oc\"", verb)
	}
	if verb != "get" && verb != "wait" && verb != "extract" {
		c.asked = append(c.asked, "oc "+strings.Join(in.Args, " "))
	}
	return text, 0, err
}

// read reads a file that a command names; "-" is what was piped in.
func (in call) read(name string) ([]byte, error) {
	if name == "-" {
		return []byte(in.Stdin), nil
	}
	if !filepath.IsAbs(name) {
		name = filepath.Join(in.Dir, name)
	}
	body, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("error: the path %q does not exist", name)
	}
	return body, nil
}
