// Package keystest gives tests keys of every kind: an age plugin, SSH keys made
// by ssh-keygen, and the age program of this module.
package keystest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age/plugin"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// The plugin, the variable that names its log, and the PIN that it asks for.
const (
	PluginName  = "satcheltest"
	LogVariable = "SATCHELTEST_PLUGIN_LOG"
	PIN         = "1234"
)

// Label is how a plugin's recipient behaves.
type Label byte

// The behaviours: labels of age, and a device that is missing.
const (
	Classic Label = iota
	PostQuantum
	Alone
	Broken
)

// Plugin builds the plugin and puts it on PATH. runs counts what it was run for
// since, "wrap" or "unwrap".
func Plugin(t testing.TB) (runs func(what string) int) {
	t.Helper()
	dir := t.TempDir()
	build(t, filepath.Join(dir, "age-plugin-"+PluginName), "github.com/satchel-airgap/satchel/bundle/keystest/age-plugin-satcheltest")
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	log := filepath.Join(dir, "log")
	t.Setenv(LogVariable, log)
	return func(what string) int {
		body, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		n := 0
		for line := range strings.Lines(string(body)) {
			if strings.TrimSpace(line) == what {
				n++
			}
		}
		return n
	}
}

// PluginKey gives a recipient of the plugin, and its identity, which asks for
// the PIN if asks. Keys of different numbers are different.
func PluginKey(l Label, asks bool, number byte) (recipient, identity string) {
	data := []byte{byte(l), 0, number}
	if asks {
		data[1] = 1
	}
	return plugin.EncodeRecipient(PluginName, data), plugin.EncodeIdentity(PluginName, data)
}

// Age13 builds the age program of the module that this one is built with.
func Age13(t testing.TB) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "age")
	build(t, file, "filippo.io/age/cmd/age")
	return file
}

func build(t testing.TB, file, pkg string) {
	t.Helper()
	if out, err := proctest.Within(t, proctest.Build, "go", "build", "-buildvcs=false", "-o", file, pkg).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", pkg, err, out)
	}
}

// Program skips the test if the program is not installed.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// SSHKey makes an SSH key of the type with ssh-keygen, and gives its file; the
// public key is next to it, in FILE.pub.
func SSHKey(t testing.TB, keyType, passphrase string, more ...string) string {
	t.Helper()
	keygen := Program(t, "ssh-keygen")
	file := filepath.Join(t.TempDir(), "id_"+keyType)
	args := append([]string{"-q", "-t", keyType, "-N", passphrase, "-C", "someone@example", "-f", file}, more...)
	if out, err := proctest.Command(t, keygen, args...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v\n%s", err, out)
	}
	return file
}

// Public reads the public key of an SSH key.
func Public(t testing.TB, file string) string {
	t.Helper()
	body, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

// Write makes a file with the text and gives its name.
func Write(t testing.TB, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
