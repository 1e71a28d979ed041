package seal

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// largest gives the largest drive.json that there may be, and the largest parity.json.
func largest(t *testing.T) (drive Drive, parity Parity) {
	t.Helper()
	drive = second
	drive.Drive, drive.Of, drive.Label, drive.Files = 99, 99, Label(id, 99), nil
	for i := range MaxFiles {
		drive.Files = append(drive.Files, File{Segment{Lane: 97 + i/MaxSegments, Number: i%MaxSegments + 1}.String(), MaxFileSize, sum})
	}
	parity = Parity{Version: parityVersion, Bundle: id, Seal: sum, Parity: 1, Data: MaxShards - 1, Shard: MaxShard}
	for n := range MaxGroups {
		g := ParityGroup{Group: n + 1, Parity: []File{{ParityFile{n + 1, 1}.String(), MaxFileSize, sum}}}
		for i := range parity.Data {
			at := n*parity.Data + i
			g.Data = append(g.Data, File{Segment{Lane: 97 + at/MaxSegments, Number: at%MaxSegments + 1}.String(), MaxFileSize, sum})
		}
		for range MaxShards {
			g.Drives = append(g.Drives, 99)
		}
		parity.Groups = append(parity.Groups, g)
	}
	return drive, parity
}

// TestLargest reads the largest files that the format allows, and not one segment more.
func TestLargest(t *testing.T) {
	t.Parallel()
	d, p := largest(t)
	body, err := d.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := ParseDrive(body); err != nil || len(got.Files) != MaxFiles || len(body) > MaxSize {
		t.Errorf("drive.json of %d bytes: %d segments, %v", len(body), len(got.Files), err)
	}
	d.Files = append(d.Files, File{"s-99-99999.age", 1, sum})
	if body, err = d.Marshal(); err != nil {
		t.Fatal(err)
	}
	if _, err := ParseDrive(body); !errors.Is(err, ErrFormat) || !strings.HasSuffix(err.Error(), "it names 262145 segments, at most 262144 are allowed") {
		t.Errorf("one segment more: %v", err)
	}
	if body, err = p.Marshal(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(CheckElements(body), p.check()); err != nil || len(body) > MaxSize {
		t.Errorf("parity.json of %d bytes: %v", len(body), err)
	}
}

// TestManyElements: lists of nothing, or nested ones, are refused before they take memory.
func TestManyElements(t *testing.T) {
	for kind, k := range kinds {
		body, err := k.write(k.value)
		if err != nil {
			t.Fatal(err)
		}
		for what, list := range map[string]string{
			"files":  `"files": [` + strings.Repeat("{},", 4<<20) + "{}],",
			"needs":  `"needs": [` + strings.Repeat(`"",`, 4<<20) + `""],`,
			"drives": `"drives": [{"signatures": [` + strings.Repeat("{},", 4<<20) + "{}]}],",
			"later":  `"later": [` + strings.Repeat("[", 4<<20) + "],",
		} {
			changed := bytes.Replace(body, []byte(`"bundle":`), []byte(list+"\n \"bundle\":"), 1)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := k.parse(changed)
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrFormat) || used > 1<<20 {
				t.Errorf("%s, %s: %d bytes took %d bytes of memory: %.200s", kind, what, len(changed), used, fmt.Sprint(err))
			}
		}
	}
}
