package main

import (
	"io"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestEmptyBundle gives flags that say which bundle is meant without saying it, as an unset
// variable of a shell does.
func TestEmptyBundle(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"--expect", "--bundle"} {
		for _, args := range [][]string{{name, ""}, {name + "="}} {
			var r readerFlags
			f := pflag.NewFlagSet("test", pflag.ContinueOnError)
			f.SetOutput(io.Discard)
			addReaderFlags(f, &r)
			if err := f.Parse(args); err == nil || !strings.Contains(err.Error(), "it is empty") {
				t.Errorf("%q: %v", args, err)
			}
			if err := f.Parse([]string{name, "abc"}); err != nil || r.expect+r.bundle != "abc" {
				t.Errorf("%s abc: %v, %+v", name, err, r)
			}
		}
	}
}
