package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
	"github.com/satchel-airgap/satchel/manifests"
)

type pullSecretOptions struct {
	add, addMissing string
	remove          []string
	restore         string
	hosts           []string
	covers          []string
	output          string
}

func newPullSecret(a *app) *cobra.Command {
	var o pullSecretOptions
	cmd := &cobra.Command{
		Use:   "pull-secret [--add FILE] [--remove HOST] --output NEW FILE",
		Short: "Add entries to a copy of a pull secret, or remove them",
		Long: `pull-secret reads a pull secret that was saved from a cluster, writes a copy with
entries added or removed, and prints which registries differ. It asks no registry and
no cluster, and prints no credential. All other entries stay as they are.
APPLY.md shows how to use it.

--covers writes nothing: it prints which entry nodes use for a registry, and fails if
there is none.`,
		Example: "  satchel pull-secret --add secrets/mirror.dockerconfigjson --output new.json now.json\n  satchel pull-secret --remove cloud.openshift.com --output new.json now.json",
		Args: func(cmd *cobra.Command, args []string) error {
			return checkCount(cmd, args, 1, "one file with a pull secret")
		},
		RunE: func(_ *cobra.Command, args []string) error {
			return runPullSecret(a, o, args[0])
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.add, "add", "", "`FILE` with entries that are added; of the same registry, they take the place of those that are there")
	f.StringVar(&o.addMissing, "add-missing", "", "`FILE` with entries that are added where there is none that nodes would use")
	f.StringArrayVar(&o.remove, "remove", nil, "`HOST[:PORT]` whose entry is removed, such as cloud.openshift.com (may be given more than once)")
	f.StringVar(&o.restore, "restore", "", "`FILE`, an older copy: the entries of --host become what they are there; what it lacks is removed")
	f.StringArrayVar(&o.hosts, "host", nil, "`HOST[:PORT]` for --restore (may be given more than once)")
	f.StringArrayVar(&o.covers, "covers", nil, "`HOST[:PORT][/PATH]`: print which entry nodes use for it (may be given more than once)")
	f.StringVar(&o.output, "output", "", "`NEW` file that is written, with mode 0600")
	return cmd
}

func runPullSecret(a *app, o pullSecretOptions, file string) error {
	switch {
	case len(o.covers) > 0 && (o.edits() || o.output != ""):
		return usage(errors.New("--covers only prints"), "leave out the other flags, or --covers")
	case len(o.covers) > 0:
		return o.printCovers(a, file)
	case !o.edits():
		return usage(errors.New("pull-secret needs to know what is to change"), "add --add FILE, --add-missing FILE, --remove HOST, or --restore FILE --host HOST")
	case (o.restore == "") != (len(o.hosts) == 0):
		return usage(errors.New("--restore and --host go together"), "name an older copy and the registries whose entries are to be as they are there")
	case o.output == "":
		return usage(errors.New("pull-secret needs --output NEW"), "name the file to write")
	}
	err := o.write(a, file)
	if err != nil {
		err = errors.Join(err, o.noLeftover(file))
	}
	return err
}

// noLeftover removes what an earlier run wrote, where this one wrote nothing: it must not be
// taken for this one's.
func (o pullSecretOptions) noLeftover(file string) error {
	info, err := os.Stat(o.output)
	given := func(name string) bool { return sameFile(info, name) }
	if err != nil || !info.Mode().IsRegular() || slices.ContainsFunc([]string{file, o.add, o.addMissing, o.restore}, given) {
		//lint:ignore nilerr there is nothing to remove
		return nil
	}
	return os.Remove(o.output)
}

func (o pullSecretOptions) edits() bool {
	return o.add != "" || o.addMissing != "" || len(o.remove) > 0 || o.restore != "" || len(o.hosts) > 0
}

// present reads the pull secret of a cluster.
func present(file string) (*manifests.PullSecret, error) {
	return readPullSecret(file, "pull secret", "")
}

// readPullSecret reads one of the files; flag is empty for the one without.
func readPullSecret(file, what, flag string) (*manifests.PullSecret, error) {
	if flag != "" {
		return readSite(file, flag, what, manifests.ParsePresentPullSecret)
	}
	data, err := durable.Read(file, durable.MaxGiven)
	if err != nil {
		return nil, usage(fmt.Errorf("read %s: %w", what, err), "name the file that oc wrote")
	}
	s, err := manifests.ParsePresentPullSecret(file, data)
	if err != nil {
		return nil, usage(fmt.Errorf("read %s: %w", what, err), "write the file again: oc extract secret/pull-secret -n openshift-config --to=- > "+file)
	}
	return s, nil
}

func (o pullSecretOptions) write(a *app, file string) (err error) {
	now, err := present(file)
	if err != nil {
		return err
	}
	edit := manifests.PullSecretEdit{Remove: o.remove, Hosts: o.hosts}
	if edit.Add, err = readPullSecret(o.add, "entries", "add"); err != nil {
		return err
	}
	if edit.AddMissing, err = readPullSecret(o.addMissing, "entries", "add-missing"); err != nil {
		return err
	}
	if edit.Restore, err = readPullSecret(o.restore, "older pull secret", "restore"); err != nil {
		return err
	}
	to, changes := now.Edit(edit)
	body := to.JSON()
	for _, written := range []string{file, o.restore} { // the same content in the same bytes changes nothing in the cluster
		if data, err := durable.Read(written, durable.MaxGiven); written != "" && err == nil && sameJSON(data, body) {
			body = data
			break
		}
	}
	if err := durable.Write(o.output, body); err != nil {
		return fmt.Errorf("write the pull secret: %w", err)
	}
	if _, err := a.stdout.Write([]byte(changesText(changes))); err != nil {
		return fmt.Errorf("write what changes: %w", err)
	}
	return nil
}

// sameJSON reports whether two texts are JSON and say the same.
func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}

// changesText says which entries differ, one line a registry.
func changesText(c manifests.PullSecretChanges) string {
	var lines []string
	for _, list := range []struct {
		names       []string
		how, detail string
	}{
		{c.Added, "added: ", ""}, {c.Changed, "changed: ", " (it had another credential)"}, {c.Removed, "removed: ", ""},
		{c.Narrower, "note: ", " has an entry of its own, which nodes use first there"},
	} {
		for _, name := range list.names {
			lines = append(lines, list.how+name+list.detail)
		}
	}
	if c.None() {
		lines = slices.Insert(lines, 0, "nothing to do: the pull secret is as it should be")
	}
	if len(c.Kept) > 0 && !c.None() {
		lines = append(lines, "unchanged: "+strings.Join(c.Kept, ", "))
	}
	return strings.Join(lines, "\n") + "\n"
}

// printCovers says which entries nodes use.
func (o pullSecretOptions) printCovers(a *app, file string) error {
	now, err := present(file)
	if err != nil {
		return err
	}
	var missing []string
	for _, name := range o.covers {
		entry, ok := now.Covers(strings.TrimSuffix(name, "/"))
		if !ok {
			missing = append(missing, name)
			continue
		}
		if _, err := fmt.Fprintf(a.stdout, "%s: nodes use the entry %s\n", name, entry); err != nil {
			return fmt.Errorf("write which entries are used: %w", err)
		}
	}
	if len(missing) > 0 {
		return &uncoveredError{file, missing}
	}
	return nil
}

// uncoveredError says that a pull secret has no credential for registries.
type uncoveredError struct {
	file  string
	names []string
}

func (e *uncoveredError) Error() string {
	return fmt.Sprintf("%s has no credential for %s", e.file, strings.Join(e.names, ", "))
}

// Hint says what to do now.
func (e *uncoveredError) Hint() string {
	return "give nodes one: run satchel render with a credential of theirs, and follow the new APPLY.md"
}

// Permanent reports that the same file always gives this error.
func (e *uncoveredError) Permanent() bool { return true }
