package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle/keystest"
)

// siteConfig writes a file of a site's configuration.
func siteConfig(t testing.TB, dir, body string) string {
	t.Helper()
	file := filepath.Join(dir, "satchel", "config.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("satchel: config/1\n"+body), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// configuredCommand is a command of a program that has not run yet.
func configuredCommand(t *testing.T, name string) *cobra.Command {
	t.Helper()
	cmd, _, err := commandTree().Find(strings.Fields(name))
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}

// sampleValue is what a flag can be set to.
func sampleValue(f *pflag.Flag) string {
	switch f.Value.Type() {
	case "bool":
		return map[string]string{"true": "false", "": "false", "false": "true"}[f.DefValue]
	case "int", "uint":
		return "7"
	case "SIZE":
		return "7MiB"
	case "RATE":
		return "7MB"
	case "DURATION":
		return "7s"
	case "MEDIA":
		return "7GB"
	case "CHART=FILE":
		return "web=/dev/null"
	}
	if what, _ := pflag.UnquoteUsage(f); what == "IMAGE" {
		return "quay.example/seven:7"
	}
	if f.Name == "graph-data" {
		return "https://graph.example/"
	}
	if f.Name == "parity" {
		return "2/20"
	}
	return "/seven"
}

// TestSiteEveryFlag: each flag of each command is set by a file, under the command and, where it means the same
// everywhere, under defaults; or it is refused by name with the reason.
func TestSiteEveryFlag(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{}
	for _, cmd := range configurable(commandTree()) {
		var settable []*pflag.Flag
		name := commandName(cmd)
		for _, section := range []string{name, "defaults"} {
			body := section + ":\n"
			settable = nil
			for _, f := range everyFlag(cmd) {
				if why := siteRefuses(f.Name, name); why != "" {
					file := siteConfig(t, t.TempDir(), name+":\n  "+f.Name+": x\n")
					err := (&app{etc: file}).configure(configuredCommand(t, name), nil)
					if exitCode(err) != exitUsage || !strings.Contains(err.Error(), "--"+f.Name+" cannot be set in a file: "+why) {
						t.Errorf("%s --%s: %v", name, f.Name, err)
					}
					continue
				}
				if section == "defaults" && siteApart(name, f.Name) {
					continue
				}
				settable = append(settable, f)
				body += "  " + f.Name + ": " + sampleValue(f) + "\n"
			}
			a, c := &app{etc: siteConfig(t, t.TempDir(), body), stderr: io.Discard}, configuredCommand(t, name)
			site, err := a.readSite(c.Root())
			if err == nil {
				err = a.take(c, site)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, f := range settable {
				got := c.Flag(f.Name)
				as := strings.Trim(got.Value.String(), "[]")
				if got.Annotations[fromSite] == nil || typed(got) || as == strings.Trim(f.DefValue, "[]") && f.DefValue != "" || strings.HasPrefix(f.Value.Type(), "string") && as != sampleValue(f) {
					t.Errorf("%s --%s under %s is %q", name, f.Name, section, got.Value)
				}
			}
		}
		for _, f := range settable { // of defaults
			what, _ := pflag.UnquoteUsage(f)
			if kind := f.Value.Type() + " " + strings.Replace(what, "OUTDIR", "DIR", 1); kinds[f.Name] != "" && kinds[f.Name] != kind {
				t.Errorf("--%s of %s takes %s, and elsewhere %s: no default can hold for both", f.Name, name, kind, kinds[f.Name])
			} else {
				kinds[f.Name] = kind
			}
		}
	}
}

// TestSiteConfig: what is configured holds where nothing is typed: a bundle that nobody has signed is refused, and
// the place is named. What is typed comes first, then the user's file, then the host's.
func TestSiteConfig(t *testing.T) {
	user, host := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", user)
	signers := "alice " + keystest.Public(t, keystest.SSHKey(t, "ed25519", "")) + "\n"
	for _, name := range []string{"theirs", "mine"} {
		if err := os.WriteFile(filepath.Join(host, name), []byte(signers), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	etc := siteConfig(t, host, "defaults:\n  trust: ../theirs\n  no-progress: true\n")
	own := filepath.Join(user, "satchel", "config.yaml")
	drive, err := filepath.Abs("../../testdata/vectors/4baf0f7")
	if err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) (int, string) {
		var stdout, stderr bytes.Buffer
		code := (&app{stdout: &stdout, stderr: &stderr, args: args, etc: etc}).execute()
		return code, stdout.String() + stderr.String()
	}
	for _, c := range []struct {
		user string // its file; "" for none
		args []string
		code int
		want string
	}{
		{"", []string{"verify", drive}, exitDamaged, "hint: --trust is from " + etc + ", line 3"},
		{"", []string{"copy", drive, t.TempDir()}, exitDamaged, etc + ", line 3"},
		{"", []string{"inspect", drive}, exitDamaged, etc + ", line 3"},
		{"", []string{"verify", "--no-default", "trust", drive}, exitOK, "not taken: --trust of " + etc},
		{"", []string{"verify", "--no-default", "all", drive}, exitOK, "not taken: --no-progress of " + etc},
		{"", []string{"verify", "--no-default", "", drive}, exitUsage, "it is empty"},
		{"", []string{"verify", "--no-default", "to", drive}, exitUsage, "has no such flag"},
		{"", []string{"verify", "--trust", "/none", drive}, exitUsage, "read allowed signers /none"},
		{"defaults: {trust: " + host + "/mine}\n", []string{"verify", drive}, exitDamaged, own + ", line 2"},
		{"defaults: {trust: []}\n", []string{"verify", drive}, exitOK, "--trust of " + etc + ", line 3, does not hold: " + own + ", line 2, takes it back"},
		{"defaults: {revoked: gone}\n", []string{"verify", drive}, exitUsage, "read revoked keys " + filepath.Join(filepath.Dir(own), "gone")},
		{"defaults: {revoked: gone}\n", []string{"verify", "--no-default", "trust", drive}, exitOK, "not taken: --revoked of " + own},
		{"defaults: {signatures: 0}\n", []string{"verify", drive}, exitUsage, own + ", line 2"},
		{"defaults: {lanes: x}\n", []string{"pack", "-c", "x", drive}, exitUsage, own + ":2:12: lanes: "},
		{"verify: {output: json}\n", []string{"verify", drive}, exitDamaged, `"exit": 4`},
		{"defaults: {trsut: x}\n", []string{"version"}, exitUsage, "did you mean trust?"},
		{"defaults: {trsut: x}\n", []string{"verify", "--help"}, exitOK, "Usage:"},
		{"repair: {lanes: 2}\ncheck: {ca-file: x}\n", []string{"repair", "--no-default", "trust", drive}, exitOK, ""},
		{"defaults: {to: a.example}\n", []string{"diff", "-i", "/none", "--no-default", "trust", "--since", "/none", drive}, exitUsage, "read the receipt"},
		{"pack: {media: dvd}\n", []string{"pack", "-c", "/none", "-r", "x", "--drive-size", "9GB", drive}, exitUsage, "/none"},
		{"defaults: {authfile: /user}\n", []string{"config", "-o", "json"}, exitOK, `"/user"`},
		{"defaults: {trust: " + host + "/mine}\n", []string{"config"}, exitOK, etc + ":3, replaced by " + own + ":2"},
		{"defaults: {trust: " + host + "/mine}\n", []string{"config", "verify"}, exitOK, own + ":2, replaces " + etc + ":3"},
		{"defaults: {trust: []}\n", []string{"config", "verify"}, exitOK, "takes it back"},
		{"defaults: {trust: " + host + "/mine}\n", []string{"config", "sign"}, exitOK, "sign     trust        -"},
		{"pack: {segment-size: many}\nplan: {lanes: few}\n", []string{"config"}, exitUsage, "lanes: "},
		{"", []string{"config", "verfy"}, exitUsage, `did you mean "verify"?`},
	} {
		if err := os.RemoveAll(filepath.Dir(own)); err != nil {
			t.Fatal(err)
		}
		if c.user != "" {
			siteConfig(t, user, c.user)
		}
		if code, said := run(c.args...); code != c.code || !strings.Contains(said, c.want) {
			t.Errorf("%q with %q: exit %d, want %d and %q\n%s", c.args, c.user, code, c.code, c.want, said)
		}
	}
	t.Setenv(siteVariable, filepath.Join(user, "absent"))
	if code, said := run("verify", drive); code != exitUsage || !strings.Contains(said, siteVariable) {
		t.Errorf("a file that is not there: exit %d\n%s", code, said)
	}
	t.Setenv(siteVariable, siteConfig(t, t.TempDir(), "defaults: {signatures: 2}\n"))
	if code, said := run("config", "verify"); code != exitOK || !strings.Contains(said, "verify   signatures   2") || !strings.Contains(said, etc+":3") {
		t.Errorf("by the variable: exit %d\n%s", code, said)
	}
}

// TestSiteNames: of two names of one flag, the file that counts more decides, then the name for one side.
func TestSiteNames(t *testing.T) {
	user, host := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", user)
	for _, c := range []struct {
		user, host string
		args       []string
		want       string
	}{
		{"defaults: {authfile: /a}", "defaults: {src-authfile: /b}", nil, "/a"},
		{"defaults: {authfile: /a, src-authfile: /b}", "", nil, "/b"},
		{"plan: {src-authfile: /b}", "defaults: {authfile: /a}", nil, "/b"},
		{"plan: {src-authfile: /b}", "", []string{"--authfile", "/c"}, "/c"},
	} {
		siteConfig(t, user, c.user+"\n")
		a, cmd := &app{etc: siteConfig(t, host, c.host+"\n"), stderr: io.Discard}, configuredCommand(t, "plan")
		if err := cmd.ParseFlags(c.args); err != nil {
			t.Fatal(err)
		}
		if err := a.configure(cmd, nil); err != nil {
			t.Fatal(err)
		}
		if got := cmd.Flag("authfile").Value.String(); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}
