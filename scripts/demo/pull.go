package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/satchel-airgap/satchel/oci"
)

// outDir is where unpack writes the cluster's YAML, in the work directory.
const outDir = "cluster"

// imageConfig is what a cluster says of its registries.
func imageConfig(mirror string) string {
	return fmt.Sprintf(`apiVersion: config.openshift.io/v1
kind: Image
metadata:
  name: cluster
spec:
  registrySources:
    insecureRegistries:
    - %s
`, mirror)
}

// Files with credentials: those that a cluster pulls with before, and the one of its nodes for
// the mirror.
const presentSecret, nodeSecret = "present-pull-secret.json", "node-auth.json"

// credentials are for registries; nothing in them is real.
func credentials(hosts ...string) string {
	var entries []string
	auth := base64.StdEncoding.EncodeToString([]byte("demo:" + demoPassword))
	for _, host := range hosts {
		entries = append(entries, fmt.Sprintf("%q: {\"auth\": %q}", host, auth))
	}
	return `{"auths": {` + strings.Join(entries, ", ") + "}}\n"
}

// secret adds the nodes' credential to a pull secret, as APPLY.md does with the cluster's.
func (d *demo) secret(ctx context.Context) error {
	d.say("One step of it: the mirror's entry goes into a copy of the cluster's pull secret.")
	out, err := d.satchel(ctx, "pull-secret", "--add", outDir+"/secrets/mirror.dockerconfigjson", "--output", "new-pull-secret.json", presentSecret)
	if err == nil && !strings.Contains(out, "added: "+d.mirror.addr+"\n") {
		err = fmt.Errorf("satchel pull-secret added no entry for %s: %s", d.mirror.addr, out)
	}
	return err
}

// demoPassword must not show on the screen.
const demoPassword = "made-up-for-the-demo"

// show prints what unpack wrote for the cluster: APPLY.md and the objects, but
// nothing that holds a secret.
func (d *demo) show(context.Context) error {
	dir := filepath.Join(d.dir, "work", outDir)
	objects, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	d.say("What the cluster needs to pull from the mirror. APPLY.md says in which order.")
	shown := 0
	for _, file := range append([]string{filepath.Join(dir, "APPLY.md")}, objects...) {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if bytes.Contains(text, []byte("\nkind: Secret\n")) {
			fmt.Fprintf(d.out, "# %s holds a secret and is not shown.\n", filepath.Base(file))
			continue
		}
		if err := d.cat(filepath.Join(outDir, filepath.Base(file)), text); err != nil {
			return err
		}
		shown++
	}
	if shown < 3 { // the page, the rules, the catalog
		return fmt.Errorf("unpack wrote only %d files that can be shown", shown)
	}
	return nil
}

// cat prints a file as the command of that name would.
func (d *demo) cat(name string, text []byte) error {
	fmt.Fprintf(d.out, "$ cat %s\n", name)
	_, err := (&indented{w: d.out, start: true}).Write(append(bytes.TrimSuffix(text, []byte("\n")), '\n'))
	return err
}

// pull stops the source registry and pulls a component by its original name: as
// outside, where the name leads to the source, and as a node inside, by the
// registries.conf that comes of the rules.
func (d *demo) pull(ctx context.Context) error {
	d.say("The source registry is stopped. This is what nodes know of the components:")
	if err := d.source.close(); err != nil {
		return err
	}
	d.source = nil
	rules := filepath.Join(outDir, "registries.conf")
	text, err := os.ReadFile(filepath.Join(d.dir, "work", rules))
	if err != nil {
		return err
	}
	entry := entryOf(string(text), partsRepo)
	if entry == "" {
		return fmt.Errorf("%s has no entry for %s", rules, partsRepo)
	}
	fmt.Fprintf(d.out, "$ grep -A 5 %s %s\n", partsRepo, rules)
	if _, err := (&indented{w: d.out, start: true}).Write([]byte(entry)); err != nil {
		return err
	}
	pulled := 0
	for _, c := range []client{skopeo(), podman()} {
		if !c.works(ctx, d) {
			d.say("%s is not installed, or does not work here: left out.", c.name)
			continue
		}
		if err := d.pullBy(ctx, c, rules, pulled == 0); err != nil {
			return err
		}
		pulled++
	}
	if pulled == 0 {
		d.say("Install skopeo to see a component pulled by its original name.")
	}
	return nil
}

// entryOf is what a registries.conf says of a location, from that line on.
func entryOf(conf, location string) string {
	_, rest, ok := strings.Cut(conf, fmt.Sprintf("location = %q\n", location))
	if !ok {
		return ""
	}
	rest, _, _ = strings.Cut(rest, "\n[[registry]]")
	return fmt.Sprintf("  location = %q\n%s\n", location, strings.TrimRight(rest, "\n"))
}

// pullBy has a client pull the component etcd, which must fail at first if without is set.
func (d *demo) pullBy(ctx context.Context, c client, rules string, without bool) error {
	i := slices.IndexFunc(d.images, func(i image) bool { return strings.HasSuffix(i.placeTag, "-etcd") })
	etcd := d.images[i]
	if without {
		d.say("The component etcd by its original name, outside: there is no registry any more.")
		if err := c.run(ctx, d, filepath.Join("..", "registries.conf"), etcd.source()); err == nil {
			return fmt.Errorf("%s got %s without the rules", c.name, etcd.source())
		}
	}
	d.say("The same name inside, with %s, by the rules: it comes from the mirror.", c.name)
	if err := c.run(ctx, d, rules, etcd.source()); err != nil {
		return fmt.Errorf("%s pull %s: %w", c.name, etcd.source(), err)
	}
	if err := c.check(ctx, d, etcd); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "  (checked by the demo: it has the digest %s)\n", etcd.root.Digest)
	return nil
}

// client is a program that pulls images as nodes do.
type client struct {
	name  string
	try   []string                  // arguments that show whether it works
	args  func(ref string) []string // to pull
	check func(context.Context, *demo, image) error
}

func skopeo() client {
	return client{
		name: "skopeo", try: []string{"--version"},
		args: func(ref string) []string {
			return []string{"--insecure-policy", "copy", "-q", "docker://" + ref, "dir:pulled"}
		},
		check: func(_ context.Context, d *demo, i image) error {
			body, err := os.ReadFile(filepath.Join(d.dir, "work", "pulled", "manifest.json"))
			if err == nil && oci.Digest(body) != i.root.Digest {
				err = fmt.Errorf("skopeo got %s for %s", oci.Digest(body), i.source())
			}
			return err
		},
	}
}

// podman keeps to a storage of the demo's own; its paths must be short.
func podman() client {
	own := []string{"--root", "../p", "--runroot", "../r", "--storage-driver", "vfs"}
	return client{
		name: "podman", try: append(slices.Clone(own), "info"),
		args: func(ref string) []string { return append(slices.Clone(own), "pull", "-q", ref) },
		check: func(ctx context.Context, d *demo, i image) error {
			out, err := podman().command(ctx, d, "", append(slices.Clone(own), "image", "inspect", "--format", "{{.Digest}}", i.source())).Output()
			if err == nil && strings.TrimSpace(string(out)) != i.root.Digest.String() {
				err = fmt.Errorf("podman got %s for %s", out, i.source())
			}
			return err
		},
	}
}

func (c client) works(ctx context.Context, d *demo) bool {
	return c.command(ctx, d, "", c.try).Run() == nil
}

func (c client) command(ctx context.Context, d *demo, conf string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.name, args...)
	cmd.Dir, cmd.Env = filepath.Join(d.dir, "work"), d.env()
	if conf != "" {
		cmd.Env = append(cmd.Env, "CONTAINERS_REGISTRIES_CONF="+conf)
	}
	return cmd
}

// run pulls an image, and shows it.
func (c client) run(ctx context.Context, d *demo, conf, ref string) error {
	args := c.args(ref)
	if c.name == "skopeo" { // older ones do not know the variable
		args = append([]string{"--registries-conf", conf}, args...)
		fmt.Fprintf(d.out, "$ skopeo %s\n", strings.Join(args, " "))
	} else {
		fmt.Fprintf(d.out, "$ CONTAINERS_REGISTRIES_CONF=%s podman %s\n", conf, strings.Join(args, " "))
	}
	cmd := c.command(ctx, d, conf, args)
	screen := &indented{w: d.out, start: true}
	cmd.Stdout, cmd.Stderr = screen, screen
	err := cmd.Run()
	if err == nil {
		return nil
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	fmt.Fprintf(d.out, "  exit status %d\n", exit.ExitCode())
	return err
}
