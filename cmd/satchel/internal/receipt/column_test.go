package receipt

import (
	"bytes"
	"encoding/json"
	"testing"
)

// TestBase85 holds the encoding against base64.b85encode of Python.
func TestBase85(t *testing.T) {
	t.Parallel()
	for plain, coded := range map[string]string{
		"": "", "\x00": "00", "satchel": "b76F2Xk}~", "\xfa\xfb\xfc\xfd\xfe\xff": "`uqI-{{H", "\xff\xff\xff\xff": "|NsC0", "\x00\x00\x00\x00\x01": "000000R",
	} {
		back, ok := fromBase85(coded)
		if got := toBase85([]byte(plain)); got != coded || !ok || string(back) != plain {
			t.Errorf("%q: %q, and back %q, %t", plain, got, back, ok)
		}
	}
	for _, bad := range []string{"0", "000000", "~~~~~", "|NsC1", `"0000`, "\x80\x80\x80\x80\x80"} {
		if b, ok := fromBase85(bad); ok {
			t.Errorf("%q was read as %q", bad, b)
		}
	}
}

// FuzzColumns reads columns of any bytes; what is taken is written as it was.
func FuzzColumns(f *testing.F) {
	sum := bytes.Repeat([]byte{7}, 32)
	f.Add(append(append([]byte{1}, sum...), 8<<3&0x7f), append(append([]byte{1, 1, 1}, sum[:24]...), 9))
	f.Add([]byte{0}, []byte(nil))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1}, []byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, manifests, blobs []byte) {
		form := file{
			Version: version, State: Done, Bundle: "a", Mirror: "m", Origins: row{}, Hosts: row{},
			Repositories: rows{row{"a"}}, Images: rows{}, Manifests: toBase85(manifests), Blobs: toBase85(blobs),
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(form); err != nil {
			t.Fatal(err)
		}
		r, err := Decode(b.Bytes())
		if err != nil {
			return
		}
		if again, err := r.Encode(); err != nil || !bytes.Equal(again, b.Bytes()) {
			t.Errorf("%v: %q was read of %q", err, again, b.Bytes())
		}
	})
}
