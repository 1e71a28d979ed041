package main

import (
	"strings"
	"testing"
)

// TestLaterCommand has the command that carries gaps later give the flags that were given, of
// each spelling, and not those of the first run alone.
func TestLaterCommand(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"pack -c tag.yaml --keep-going --ca-file ca.pem -R inside.pub --authfile=a.json --tls-verify=false drive":                           "satchel pack -c tag.yaml --ca-file ca.pem -R inside.pub --authfile a.json --tls-verify=false --only l.json",
		"-q pack drive --config=tag.yaml -rage1a -r age1b --restart --begin-again ABCDEFGH-2 --gaps old.json --only=older.json --no-verify": "satchel pack -q -c tag.yaml -r age1a -r age1b --no-verify --only l.json",
		"repair --from-source -c tag.yaml -r age1a --lost l.txt --keep-going --gaps g.json drive":                                           "satchel repair --from-source -c tag.yaml -r age1a --lost l.txt",
		"pack --passphrase-file p.txt -c - --keep-going=true --src-cert-dir /c --limit-rate 10MiB -- drive":                                 "satchel pack --passphrase-file p.txt -c - --src-cert-dir /c --limit-rate 10MiB --only l.json",
	} {
		a := &app{}
		root := newRoot(a)
		cmd, rest, err := root.Find(strings.Fields(typed))
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.ParseFlags(rest); err != nil {
			t.Fatal(err)
		}
		if got := shellWords(laterWords(cmd.Flags(), strings.Fields(typed), "l.json")); got != want {
			t.Errorf("%s\ngives %s\nwant  %s", typed, got, want)
		}
	}
}
