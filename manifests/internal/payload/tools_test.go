package payload

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/satchel-airgap/satchel/oci"
	"github.com/satchel-airgap/satchel/oci/ocitest"
)

// room is what a program has for a value: a marker, padding, and the end.
func room(mark []byte, padding int) string {
	return string(mark) + strings.Repeat("X", padding) + "\x00"
}

// TestStamp: a value goes to the beginning of its room, wherever that lies, and everything else
// stays; a marker without room is left alone.
func TestStamp(t *testing.T) {
	t.Parallel()
	s := Stamp{Image: "quay.io/r@sha256:" + strings.Repeat("1", 64), Version: "4.18.3"}
	filled := func(mark []byte, padding int, value string) string {
		all := room(mark, padding)
		return value + "\x00" + all[len(value)+1:]
	}
	for name, pad := range map[string]int{"at the beginning": 0, "inside": 1000, "over the end of a window": stampWindow - 10, "just before it": stampWindow - 400, "in a later window": 3*stampWindow + 7} {
		head := strings.Repeat("a", pad)
		in := head + string(markImage) + "b" + room(markImage, 270) + "c" + room(markVersion, 60) + strings.Repeat("d", 50)
		want := head + string(markImage) + "b" + filled(markImage, 270, s.Image) + "c" + filled(markVersion, 60, s.Version) + strings.Repeat("d", 50)
		var out bytes.Buffer
		stamped, err := s.copy(&out, iotest.HalfReader(strings.NewReader(in)))
		if err != nil || !stamped || out.String() != want {
			t.Errorf("%s: %v, %v, %d bytes of %d", name, stamped, err, out.Len(), len(want))
		}
	}
	var out bytes.Buffer
	if stamped, err := s.copy(&out, strings.NewReader("abc"+string(markImage))); stamped || err != nil || out.String() != "abc"+string(markImage) {
		t.Errorf("no room: %v, %v", stamped, err)
	}
	if _, err := s.copy(&out, strings.NewReader(room(markImage, 40))); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("too little room: %v", err)
	}
	if _, err := s.copy(&out, iotest.ErrReader(errors.New("broken"))); err == nil || err.Error() != "broken" {
		t.Errorf("a broken source: %v", err)
	}
}

// TestExtract takes programs out of images, and refuses those that have none.
func TestExtract(t *testing.T) {
	t.Parallel()
	stamp := Stamp{Image: "quay.io/r@sha256:" + strings.Repeat("1", 64), Version: "4.18.3"}
	program := "program " + room(markImage, 270)
	c, image := imageWith(t, map[string]string{"usr/bin/openshift-install": program, "usr/bin/oc": "the client"})
	for tool, want := range map[string]string{ToolOC: "the client", ToolInstall: "program " + stamp.Image + "\x00"} {
		var out bytes.Buffer
		if err := Extract(t.Context(), c, image, tool, stamp, &out); err != nil || !strings.HasPrefix(out.String(), want) {
			t.Errorf("%s: %v, %q", tool, err, out.String())
		}
	}
	for why, files := range map[string]map[string]string{
		"it has no usr/bin/openshift-install":                      {"usr/bin/oc": "x"},
		"its openshift-install has no place for the release image": {"usr/bin/openshift-install": "x"},
	} {
		c, image := imageWith(t, files)
		var unfit *oci.UnsupportedError
		if err := Extract(t.Context(), c, image, ToolInstall, stamp, &bytes.Buffer{}); !errors.As(err, &unfit) || unfit.Why != why {
			t.Errorf("%q: %v", why, err)
		}
	}
}

// imageWith makes an image with these files.
func imageWith(t *testing.T, files map[string]string) (*ocitest.Content, oci.Descriptor) {
	t.Helper()
	c := ocitest.New(1)
	var list []ocitest.File
	for name, body := range files {
		list = append(list, ocitest.File{Name: name, Body: []byte(body)})
	}
	layer, err := c.Files(ocitest.LayerGzip, list...)
	if err != nil {
		t.Fatal(err)
	}
	return c, c.ImageFor("amd64", false, layer)
}
