package sign

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/bundle/keystest"
	"github.com/satchel-airgap/satchel/oci/proctest"
)

// alice is a public key.
const alice = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEs6QQGkt1fmcr6ylFc/gIMYtkTAkxTpAp2wwLUTp+fr"

func writeFile(t *testing.T, dir, name, body string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestAllowedSigners: what is a line of allowed signers, and what is refused, with its number.
func TestAllowedSigners(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, file, want string }{
		{"plain", "alice@example.com " + alice, ""},
		{"comment behind", "alice@example.com " + alice + " alice's key, 2026", ""},
		{"comments and empty lines", "# who may\n\n  \t\n   # sign\nalice " + alice + "\n", ""},
		{"line ends of DOS", "alice " + alice + "\r\nbob " + alice + "\r\n", ""},
		{"tabs", "\talice\t \tnamespaces=\"x\"\t" + alice + "\tcomment", ""},
		{"several principals, wildcards, negation", "alice,*@example.com,!bob@example.com " + alice, ""},
		{"quoted principals", `"alice,bob" ` + alice, ""},
		{"quoted principals with a space", `"alice smith" ` + alice, ""},
		{"namespaces", `alice namespaces="satchel-*,!satchel-drive" ` + alice, ""},
		{"all options, capitals", `alice NAMESPACES="file",Valid-After="20260101",valid-before="20270101120000Z" ` + alice, ""},
		{"minutes", `alice valid-after="202601011200Z" ` + alice, ""},

		{"nothing", "", "it names no signer"},
		{"comments alone", "# nobody\n", "it names no signer"},
		{"no key", "alice", "line 1: it has no key"},
		{"options without a key", `alice namespaces="x"`, "no key follows it"},
		{"second line", "alice " + alice + "\nbob\n", "line 2: it has no key"},
		{"cert-authority", "*@example.com cert-authority " + alice, "cert-authority is not supported"},
		{"cert-authority among others", `* namespaces="x",cert-authority ` + alice, "cert-authority is not supported"},
		{"Cert-Authority", `* Cert-Authority,namespaces="x" ` + alice, "cert-authority is not supported"},
		{"unknown option", `alice verify-required ` + alice, `"verify-required" is not known`},
		{"unknown option with a value", `alice from="10.0.0.0/8" ` + alice, `"from" is not known`},
		{"begins like a known one", `alice namespaces2="x" ` + alice, `"namespaces2" is not known`},
		{"no value", `alice namespaces ` + alice, "has no value"},
		{"value without quotes", `alice valid-before=20270101 ` + alice, "must stand in double quotes"},
		{"value without end", `alice namespaces="x ` + alice, "no closing quote"},
		{"twice", `alice namespaces="x",namespaces="y" ` + alice, "twice"},
		{"time twice", `alice valid-after="20260101",valid-after="20260102" ` + alice, "twice"},
		{"comma at the end", `alice namespaces="x", ` + alice, "expected"},
		{"no comma", `alice namespaces="x"valid-after="20260101" ` + alice, "expected"},
		{"empty namespaces", `alice namespaces="" ` + alice, "namespaces"},
		{"a date that is none", `alice valid-before="20261341" ` + alice, "a time is written"},
		{"a date with dashes", `alice valid-before="2026-12-01" ` + alice, "a time is written"},
		{"a year that ssh-keygen does not take", `alice valid-before="00010101Z" ` + alice, "a time is written"},
		{"an offset", `alice valid-before="20261201+02" ` + alice, "a time is written"},
		{"before is not later", `alice valid-after="20260102",valid-before="20260101" ` + alice, "not later"},
		{"RSA", "alice ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ==", `type "ssh-rsa" is not supported`},
		{"ECDSA", "alice ecdsa-sha2-nistp256 AAAA", `type "ecdsa-sha2-nistp256" is not supported`},
		{"FIDO", "alice sk-ssh-ed25519@openssh.com AAAA", `type "sk-ssh-ed25519@openssh.com" is not supported`},
		{"certificate", "alice ssh-ed25519-cert-v01@openssh.com AAAA", `cert-v01@openssh.com" is not supported`},
		{"authorized_keys", alice, `"AAAAC3`},
		{"no base64", "alice ssh-ed25519 %%%%", "not valid base64"},
		{"no key in it", "alice ssh-ed25519 AAAA", "not a valid one"},
		{"another key in it", "alice ssh-ed25519 AAAAB3NzaC1yc2EAAAADAQABAAAAAQM=", "not a valid one"},
		{"cut short", "alice " + alice[:60], "not a valid one"},
		{"nobody", "!alice " + alice, "nobody is meant"},
		{"taken away again", "alice,!al* " + alice, "nobody is meant"},
		{"all taken away", "*@example.com,!* " + alice, "nobody is meant"},
		{"empty principal", "alice,,bob " + alice, "principals"},
		{"lone negation", "alice,! " + alice, "principals"},
		{"quote in the middle", `al"ice ` + alice, "principals"},
		{"quote without end", `"alice ` + alice, "no closing quote"},
		{"no space behind a quote", `"alice"` + alice, "a space is missing"},
		{"zero byte", "alice\x00 " + alice, "zero byte"},
		{"binary", "\x7fELF\x01\x02", "line 1"},
		{"control characters are not repeated", "alice \x1b[2Jx " + alice, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := LoadTrust([]string{writeFile(t, t.TempDir(), "signers", tt.file)}, 1)
			if tt.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			var bad *TrustFileError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.want) || strings.ContainsRune(err.Error(), 0x1b) {
				t.Errorf("error %q, expected one with %q", err, tt.want)
			}
		})
	}
}

// TestAllowedSignersLarge: a file of any size and a missing one are refused, not read.
func TestAllowedSignersLarge(t *testing.T) {
	t.Parallel()
	large := writeFile(t, t.TempDir(), "signers", "alice "+alice+"\n"+strings.Repeat("#", maxTrustFile))
	for _, file := range []string{large, t.TempDir(), filepath.Join(t.TempDir(), "none"), "", "/dev/null"} {
		if _, err := LoadTrust([]string{file}, 1); err == nil {
			t.Errorf("%q was taken for a file of allowed signers", file)
		}
	}
}

// TestAsOpenSSH: what is accepted here, ssh-keygen accepts too, and finds the same principals
// and times in it.
func TestAsOpenSSH(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keygen := keystest.Program(t, "ssh-keygen")
	file := keystest.SSHKey(t, "ed25519", "")
	pub := keystest.Public(t, file)
	message := writeFile(t, dir, "message", "content\n")
	if out, err := proctest.Command(t, keygen, "-q", "-Y", "sign", "-n", BundleNamespace, "-f", file, message).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	body, err := os.ReadFile(message + ".sig")
	if err != nil {
		t.Fatal(err)
	}
	sigs := []Signature{{File: "message.sig", Body: body}}
	tests := []struct {
		line string // before the key
		who  string
		ok   bool
	}{
		{"alice@example.com", "alice@example.com", true},
		{"*@example.com", "alice@example.com", true},
		{`"alice@example.com,bob"`, "bob", true},
		{`a namespaces="satchel-bundle"`, "a", true},
		{`a namespaces="satchel-*"`, "a", true},
		{`a namespaces="satchel-*,!satchel-bundle"`, "a", false},
		{`a namespaces="file,git"`, "a", false},
		{`a Namespaces="satchel-bundle",VALID-BEFORE="20300101Z"`, "a", true},
		{`a valid-after="20260601Z"`, "a", true},
		{`a valid-after="20260601120000Z"`, "a", true},
		{`a valid-after="20260601120001Z"`, "a", false},
		{`a valid-before="202606011200Z"`, "a", true},
		{`a valid-before="20260601115959Z"`, "a", false},
		{`a valid-after="20260101",valid-before="20260501"`, "a", false},
		{`a valid-after="20260602"`, "a", false},
		{`a cert-authority`, "a", false},
		{`a valid-after=20260101`, "a", false},
		{`a unknown`, "a", false},
		{`a namespaces="satchel-bundle",`, "a", false},
		{`alice,!alice`, "alice", false},
	}
	for i, tt := range tests {
		allowed := writeFile(t, dir, "signers", tt.line+" "+pub+"\n")
		cmd := proctest.Command(t, keygen, "-Y", "verify", "-f", allowed, "-I", tt.who, "-n", BundleNamespace, "-s", message+".sig", "-Overify-time=20260601120000Z")
		cmd.Stdin = strings.NewReader("content\n")
		out, err := cmd.CombinedOutput()
		if ok := err == nil; ok != tt.ok {
			t.Errorf("%d %s: ssh-keygen: %v\n%s", i, tt.line, err, out)
		}
		trust, err := LoadTrust([]string{allowed}, 1)
		if err == nil {
			_, err = trust.Check(BundleNamespace, []byte("content\n"), sigs, time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC))
		}
		if ok := err == nil; ok != tt.ok {
			t.Errorf("%d %s: %v", i, tt.line, err)
		}
	}
}

// FuzzAllowed: whatever a line has, it is refused, or means somebody by an ed25519 key.
func FuzzAllowed(f *testing.F) {
	for _, line := range []string{"alice " + alice, `"a,*@b,!c" namespaces="x\"y",valid-after="20260101",valid-before="20270101Z" ` + alice + " c", `a valid-after=" ` + alice, "!a " + alice, "a ssh-ed25519 AAAA"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		e, err := parseEntry(line)
		if err == nil && (e.pub.Type() != "ssh-ed25519" || len(e.principals.open()) == 0 || !e.principals.shares(e.principals)) {
			t.Errorf("%q means nobody, or another key: %+v", line, e)
		}
	})
}
