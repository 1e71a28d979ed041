package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// opened is a bundle whose content is changed and sealed again, as somebody could who
// has no more than the recipient. It knows the format from FORMAT.md alone.
type opened struct {
	dir    string
	keys   []age.Identity // the bundle key; none: a plain bundle
	window int            // of the index
}

// open opens a bundle on one drive with the identity in a file.
func open(dir, keyFile string) (*opened, error) {
	o := &opened{dir: dir, window: 1 << 20}
	if _, err := os.Stat(filepath.Join(dir, "index.zst")); err == nil {
		return o, nil
	}
	mine, err := identities(os.ReadFile(keyFile))
	if err != nil {
		return nil, err
	}
	o.keys = mine
	if o.keys, err = identities(o.content("key-1.age")); err != nil {
		return nil, err
	}
	return o, nil
}

func identities(text []byte, err error) ([]age.Identity, error) {
	if err != nil {
		return nil, err
	}
	return age.ParseIdentities(bytes.NewReader(text))
}

// file is the name of a file that ends in .age, or in .zst in a plain bundle.
func (o *opened) file(name string) string {
	if len(o.keys) == 0 {
		return name + ".zst"
	}
	return name + ".age"
}

// content gives what is in an age file, or in a file of a plain bundle.
func (o *opened) content(name string) ([]byte, error) {
	body, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil || len(o.keys) == 0 {
		return body, err
	}
	r, err := age.Decrypt(bytes.NewReader(body), o.keys...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// put writes what content gives.
func (o *opened) put(name string, body []byte) error {
	if len(o.keys) > 0 {
		var sealed bytes.Buffer
		w, err := age.Encrypt(&sealed, o.keys[0].(*age.X25519Identity).Recipient())
		if err != nil {
			return err
		}
		if _, err := w.Write(body); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		body = sealed.Bytes()
	}
	return os.WriteFile(filepath.Join(o.dir, name), body, 0o644)
}

// editIndex changes the text of the index.
func (o *opened) editIndex(change func(text string) string) error {
	body, err := o.content(o.file("index"))
	if err != nil {
		return err
	}
	z, err := zstd.NewReader(bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer z.Close()
	text, err := io.ReadAll(z)
	if err != nil {
		return err
	}
	return o.put(o.file("index"), store([]byte(change(string(text))), o.window))
}

// store makes one frame of raw blocks, whose header names the window: a power of two.
func store(content []byte, window int) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xFD2FB528)
	b = append(b, 0, byte(bits.TrailingZeros(uint(window))-10)<<3)
	for last := 0; last == 0; {
		n := min(len(content), 128<<10)
		if n == len(content) {
			last = 1
		}
		head := n<<3 | last
		b = append(append(b, byte(head), byte(head>>8), byte(head>>16)), content[:n]...)
		content = content[n:]
	}
	return b
}

// editStream changes the tar bytes of the first segment; it becomes one frame of the
// window, whose content the seek table says to be claim bytes longer.
func (o *opened) editStream(window, claim int, change func(stream []byte)) error {
	name := o.file("s-00-00001")
	body, err := o.content(name)
	if err != nil {
		return err
	}
	z, err := zstd.NewReader(nil)
	if err != nil {
		return err
	}
	defer z.Close()
	stream, err := z.DecodeAll(body, nil)
	if err != nil {
		return err
	}
	change(stream)
	frame := store(stream, window)
	le := binary.LittleEndian
	for _, n := range []int{0x184D2A5E, 17, len(frame), len(stream) + claim, 1} {
		frame = le.AppendUint32(frame, uint32(n))
	}
	frame = le.AppendUint32(append(frame, 0), 0x8F92EAB1)
	return o.put(name, frame)
}

var (
	listed    = regexp.MustCompile(`"name": ?"([^"]+)",(?:\s*"drive": ?\d+,)?\s*"size": ?(\d+),\s*"sha256": ?"([0-9a-f]{64})"`)
	driveSum  = regexp.MustCompile(`"drive": 1,\s+"sha256": "([0-9a-f]{64})"`)
	sealSum   = regexp.MustCompile(`"seal": "([0-9a-f]{64})"`)
	sumOfFile = regexp.MustCompile(`(?m)^([0-9a-f]{64})  (.+)$`)
)

// seal makes all sums what the files are, from the segments on.
func (o *opened) seal() error {
	index := o.file("index")
	steps := []func() error{
		func() error {
			return o.editIndex(func(text string) string { return replaceGroups(text, listed, o.files) })
		},
		func() error { return o.sum("drive.json", listed, o.files) },
		func() error { return o.copies("drive.json", index, "key-1.age") },
		func() error { return o.sum("bundle.json", listed, o.files) },
		func() error { return o.sum("bundle.json", driveSum, o.sumOf("drive.json")) },
		func() error { return o.sum("extras.json", listed, o.files) },
		func() error { return o.sum("extras.json", sealSum, o.sumOf("bundle.json")) },
		func() error { return o.copies("bundle.json", "extras.json") },
		func() error {
			return o.sum("SHA256SUMS", sumOfFile, func(m []string) []string { return []string{o.sha256(m[2]), m[2]} })
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// files gives name, size and SHA-256 of the file that a match names.
func (o *opened) files(m []string) []string {
	size := "0"
	if info, err := os.Stat(filepath.Join(o.dir, m[1])); err == nil {
		size = strconv.FormatInt(info.Size(), 10)
	}
	return []string{m[1], size, o.sha256(m[1])}
}

func (o *opened) sumOf(name string) func([]string) []string {
	return func([]string) []string { return []string{o.sha256(name)} }
}

func (o *opened) sha256(name string) string {
	body, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		return strings.Repeat("0", 64)
	}
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func (o *opened) sum(name string, what *regexp.Regexp, values func(m []string) []string) error {
	return edit(filepath.Join(o.dir, name), func(body []byte) []byte { return []byte(replaceGroups(string(body), what, values)) })
}

// replaceGroups writes other values for the groups of all matches.
func replaceGroups(text string, what *regexp.Regexp, values func(m []string) []string) string {
	var out strings.Builder
	last := 0
	for _, at := range what.FindAllStringSubmatchIndex(text, -1) {
		m := make([]string, len(at)/2)
		for i := range m {
			m[i] = text[at[2*i]:at[2*i+1]]
		}
		for i, value := range values(m) {
			out.WriteString(text[last:at[2*i+2]] + value)
			last = at[2*i+3]
		}
	}
	return out.String() + text[last:]
}

// copies writes second copies of what stands in the directory.
func (o *opened) copies(names ...string) error {
	for _, name := range names {
		body, err := os.ReadFile(filepath.Join(o.dir, name))
		if os.IsNotExist(err) && name == "key-1.age" {
			continue
		}
		if err != nil {
			return fmt.Errorf("second copy: %w", err)
		}
		if err := os.WriteFile(filepath.Join(o.dir, "copy", name), body, 0o644); err != nil {
			return err
		}
	}
	return nil
}
