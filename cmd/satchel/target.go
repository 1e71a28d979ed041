package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/text"
)

// hostPort is how the name of a registry begins that has a port; directories do not.
var hostPort = regexp.MustCompile(`^(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9.-]*[a-z0-9])?):[0-9]+(/|$)`)

// localForms are the names of places on disk that are no directories of bundles, as other
// tools write them.
var localForms = []string{"oci", "dir", "oci-archive", "docker-archive"}

// typedPath takes away what other tools write before a directory.
func typedPath(arg string) string {
	if path, ok := strings.CutPrefix(arg, "file://"); ok {
		return path
	}
	if strings.HasPrefix(arg, "file:/") {
		return arg[len("file:"):]
	}
	return arg
}

// registryForms are the names of places in registries, as other tools write them.
var registryForms = []string{"docker://", "docker:", "oci://", "https://", "http://", "registry://"}

// typedRegistry gives the registry, or the repository in one, that an argument names where
// a directory belongs; "" if it does not.
func typedRegistry(arg string) string {
	for _, form := range registryForms {
		if rest, ok := strings.CutPrefix(arg, form); ok {
			return strings.Trim(rest, "/")
		}
	}
	if hostPort.MatchString(arg) {
		return strings.TrimSuffix(arg, "/")
	}
	return ""
}

// typedLocal gives the path in a place on disk that another tool's form names.
func typedLocal(arg string) (path string, ok bool) {
	for _, form := range localForms {
		rest, found := strings.CutPrefix(arg, form+":")
		if !found {
			continue
		}
		rest, slashes := strings.CutPrefix(rest, "//")
		if !slashes || strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, ".") || onDisk(rest) {
			return rest, rest != ""
		}
	}
	return "", false
}

func onDisk(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// checkDirectory refuses an argument that names something else than a directory, with the
// line that does what was likely meant.
func checkDirectory(cmd *cobra.Command, arg string) error {
	if arg == "" {
		return usage(errors.New("the name of the directory is empty"), "name a directory; in a script, the variable for it may not be set")
	}
	if onDisk(arg) {
		return nil // what it is, is said where it is opened
	}
	if flag := detached(cmd, []string{arg}); flag != "" {
		return usage(fmt.Errorf("%q is not the name of a directory", arg), flag)
	}
	if path, ok := typedLocal(arg); ok {
		return usage(fmt.Errorf("%q is not the name of a directory", arg), fmt.Sprintf("write the path alone: satchel %s ... %s", cmd.Name(), shellWords([]string{path})))
	}
	registry := typedRegistry(arg)
	switch {
	case registry == "" && strings.Contains(arg, "://"):
		return usage(fmt.Errorf("%q is not the name of a directory", arg), "name the directory that it is mounted on")
	case registry == "":
		return nil
	case cmd.Name() == "pack":
		return usage(fmt.Errorf("pack writes to a directory or drive, and %q names a registry; unpack pushes into a registry", arg),
			"pack to a drive first: satchel pack -c FILE -r RECIPIENT DIR; then, inside: "+pushLine(registry, "DIR"))
	case cmd.Name() == "unpack":
		return usage(fmt.Errorf("unpack reads a bundle from a directory or drive, and %q names a registry", arg), "name the registry with --to: "+pushLine(registry, swapped(cmd)))
	}
	return usage(fmt.Errorf("%s reads a directory or drive, and %q names a registry", cmd.Name(), arg), "name the directory that the bundle is in: satchel "+cmd.Use)
}

// checkCount refuses another number of arguments than n.
func checkCount(cmd *cobra.Command, args []string, n int, what string) error {
	if len(args) == n {
		return nil
	}
	hint := "see " + cmd.CommandPath() + " --help"
	if flag := detached(cmd, args); flag != "" {
		hint = flag
	} else if line := likelyLine(cmd, args); line != "" {
		hint = "did you mean: " + line
	}
	if n == 0 {
		return usage(fmt.Errorf("%s takes no arguments, %q was given", cmd.Name(), args[0]), hint)
	}
	return usage(fmt.Errorf("%s takes %s, not %s", cmd.Name(), what, text.Count(len(args), "argument", "arguments")), hint)
}

// detached explains a true or false that stands by itself behind a flag, "" if none does.
func detached(cmd *cobra.Command, args []string) (hint string) {
	value := ""
	for _, arg := range args {
		if arg == "true" || arg == "false" {
			value = arg
		}
	}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if value != "" && f.Value.Type() == "bool" && (hint == "" || strings.Contains(f.Name, "tls-verify")) {
			hint = fmt.Sprintf("a value that is true or false follows its flag after an equals sign: --%s=%s", f.Name, value)
		}
	})
	return hint
}

// likelyLine is the command that arguments in the wrong places are likely to mean, "" for none.
func likelyLine(cmd *cobra.Command, args []string) string {
	config := cmd.Flags().Lookup("config")
	given := func(name string) bool { return cmd.Flags().Changed(name) }
	switch {
	case len(args) == 1 && config != nil && !given("config"):
		return "satchel " + cmd.Name() + " -c " + shellWords(args)
	case len(args) != 2:
		return ""
	case cmd.Name() == "pack" && !given("config") && typedRegistry(args[0])+typedRegistry(args[1]) == "" && !isDirectory(args[0]):
		return "satchel pack -c " + shellWords(args[:1]) + " -r RECIPIENT " + shellWords(args[1:])
	case cmd.Name() == "unpack" && !given("to"):
		for i, arg := range args {
			if registry := typedRegistry(arg); registry != "" {
				return pushLine(registry, shellWords([]string{typedPath(args[1-i])}))
			}
		}
	}
	return ""
}

// swapped is the directory that --to names by mistake, DIR if it names none.
func swapped(cmd *cobra.Command) string {
	to := cmd.Flags().Lookup("to").Value.String()
	if _, err := oci.ParseMirror(to); to == "" || err == nil {
		return "DIR"
	}
	return shellWords([]string{typedPath(to)})
}

// pushLine is the command that pushes a bundle into a registry.
func pushLine(registry, dir string) string {
	return "satchel unpack -i KEY --to " + cmp.Or(likelyMirror(registry), "HOST[:PORT][/NAMESPACE]") + " " + dir
}

// likelyMirror gives the mirror that someone means who wrote it in another form, "" if that
// is not clear.
func likelyMirror(s string) string {
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+len("://"):]
	}
	s = strings.ToLower(strings.Trim(s, "/"))
	if place, err := oci.ParseMirror(s); err == nil {
		return place.String()
	}
	if ref, err := oci.ParseRef(s); err == nil { // tag and digest are the images' own
		return ref.Name()
	}
	host, path, _ := strings.Cut(s, "/")
	if place, err := oci.ParseMirror(strings.TrimSuffix(host+":443/"+path, "/")); err == nil { // a host without a dot
		return place.String()
	}
	return ""
}

// explainTo says what is wrong with the mirror that --to names.
func explainTo(to string, err error) error {
	if err == nil {
		return nil
	}
	_, local := typedLocal(to)
	if local || typedPath(to) != to || strings.HasPrefix(to, ".") || strings.HasPrefix(to, "/") || onDisk(to) {
		return usage(fmt.Errorf("--to names a registry, as HOST[:PORT][/NAMESPACE], and %q is a directory", to),
			"for example --to mirror.example:5000/ocp; the directory of the bundle comes last, without a flag")
	}
	likely := likelyMirror(to)
	switch {
	case likely == "":
		return usage(err, "for example --to mirror.example:5000/ocp")
	case strings.HasPrefix(to, "http://"):
		likely += " --tls-verify=false"
	}
	return usage(err, "did you mean --to "+likely+"?")
}
