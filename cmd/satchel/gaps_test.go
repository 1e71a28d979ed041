package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var gapsFile = regexp.MustCompile(`they are listed in (\S+)`)

// gaps wants a run that finished with gaps, and reads their list.
func (w *world) gaps(r result) gapList {
	w.t.Helper()
	m := gapsFile.FindStringSubmatch(r.stderr)
	if r.code != exitGaps || m == nil || len(strings.TrimSpace(r.stdout)) != 64 || !strings.Contains(r.stderr, "\nhint: carry them later with: satchel pack") {
		w.t.Fatalf("exit %d, want %d and a list\n%s%s", r.code, exitGaps, r.stdout, r.stderr)
	}
	name := m[1]
	if !filepath.IsAbs(name) {
		name = filepath.Join(w.dir, name)
	}
	body, err := os.ReadFile(name)
	var list gapList
	if err == nil {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for _, g := range list.Images {
		if list.Version != gapsVersion || list.Bundle == "" || g.Error == "" || g.Origin == "" {
			w.t.Errorf("gap list %s", body)
		}
	}
	return list
}
