package payload

import (
	"strings"
	"testing"
)

const diskFile = `
kind: ConfigMap
data:
  stream: |
    {"architectures":{"x86_64":{"artifacts":{
      "metal":{"formats":{"iso":{"disk":{"location":"https://example.com/live.iso","sha256":"SUM"}},"pxe":{"kernel":{"location":"https://example.com/kernel","sha256":"SUM"},"rootfs":{"location":"https://example.com/rootfs","sha256":"SUM"}}}},
      "aws":{"formats":{"vmdk.gz":{"disk":{"location":"https://example.com/aws","sha256":"SUM"}}}},
      "vmware":{"formats":{"ova":{"disk":{"location":"https://example.com/a.ova","sha256":"SUM"}}}}}},
     "aarch64":{"artifacts":{"metal":{"formats":{"iso":{"disk":{"location":"https://example.com/arm.iso","sha256":"SUM"}}}}}}}}
`

// TestDisks lists what machines boot from, and not what clouds have; what is no address or no
// digest is refused.
func TestDisks(t *testing.T) {
	t.Parallel()
	body := strings.ReplaceAll(diskFile, "SUM", strings.Repeat("1", 64))
	list, err := parseDisks([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Arch+" "+d.Platform+" "+d.Format+" "+d.URL)
	}
	want := "aarch64 metal iso https://example.com/arm.iso; x86_64 metal iso https://example.com/live.iso; x86_64 metal pxe https://example.com/kernel; x86_64 metal pxe https://example.com/rootfs; x86_64 vmware ova https://example.com/a.ova"
	if strings.Join(got, "; ") != want {
		t.Errorf("got %s", strings.Join(got, "; "))
	}
	for name, bad := range map[string]string{
		"an address":   strings.Replace(body, "https://example.com/live.iso", "file:///etc/passwd", 1),
		"a digest":     strings.Replace(body, strings.Repeat("1", 64), "2", 1),
		"a name":       strings.Replace(body, `"vmware"`, `"vm\nware"`, 1),
		"the whole":    "a: [",
		"the metadata": "data: {stream: 'x'}",
	} {
		if list, err := parseDisks([]byte(bad)); err == nil {
			t.Errorf("%s: taken: %v", name, list)
		}
	}
}
