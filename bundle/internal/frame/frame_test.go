package frame

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"testing"

	"github.com/satchel-airgap/satchel/oci/proctest"
)

// kinds of content, by how well they compress.
var kinds = map[string]func(seed uint64, n int) []byte{
	"random": func(seed uint64, n int) []byte {
		rnd := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, n)
		for i := 0; i+8 <= n; i += 8 {
			binary.LittleEndian.PutUint64(b[i:], rnd.Uint64())
		}
		return b
	},
	"zeros": func(_ uint64, n int) []byte { return make([]byte, n) },
	"text": func(seed uint64, n int) []byte {
		rnd := rand.New(rand.NewPCG(seed, 2))
		var b []byte
		for len(b) < n {
			b = fmt.Appendf(b, "line %d of a file with words in it\n", rnd.IntN(1000))
		}
		return b[:n]
	},
	"almost random": func(seed uint64, n int) []byte {
		rnd := rand.New(rand.NewPCG(seed, 3))
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(rnd.IntN(250))
		}
		return b
	},
}

func encoders(t testing.TB) Encoders {
	t.Helper()
	fast, err := NewFast()
	if err != nil {
		t.Fatal(err)
	}
	dense, err := NewDense()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(fast.Close(), dense.Close()); err != nil {
			t.Error(err)
		}
	})
	return Encoders{fast, dense}
}

// TestMaxSize writes entries of many sizes and kinds: the promise made before
// an entry holds after it.
func TestMaxSize(t *testing.T) {
	t.Parallel()
	enc, buffers := encoders(t), NewBuffers()
	sizes := []int{0, 1, 511, 512, 1024, 100 << 10, 128<<10 - 1, 128 << 10, 1 << 20, MaxContent - 512, MaxContent, MaxContent + 1, 9 << 20}
	for name, content := range kinds {
		for _, dense := range []bool{false, true} {
			rnd := rand.New(rand.NewPCG(7, 7))
			for _, first := range sizes {
				var out bytes.Buffer
				w := NewWriter(&out, enc, buffers)
				total := int64(0)
				for _, n := range []int{first, sizes[rnd.IntN(len(sizes))], rnd.IntN(2 << 20)} {
					if n > 4<<20 && dense && name != "zeros" {
						n = 2 << 20 // slow otherwise
					}
					promise := w.MaxSize(int64(n))
					if n+1024 > MaxContent {
						if err := w.Flush(); err != nil {
							t.Fatal(err)
						}
					}
					if dense {
						w.Dense()
					}
					if _, err := w.Write(content(1, n)); err != nil {
						t.Fatal(err)
					}
					total += int64(n)
					if now := w.MaxSize(0); now > promise+entrySize*2+128 {
						t.Errorf("%s, dense %v: %d bytes were promised to make at most %d, now it is %d", name, dense, n, promise, now)
					}
				}
				last := w.MaxSize(0)
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if int64(out.Len()) > last || w.Content() != total {
					t.Errorf("%s, dense %v: %d bytes of content make %d, promised were %d", name, dense, total, out.Len(), last)
				}
			}
		}
	}
}

// TestPromiseOfTheWhole asks once, before anything is written.
func TestPromiseOfTheWhole(t *testing.T) {
	t.Parallel()
	enc, buffers := encoders(t), NewBuffers()
	for name, content := range kinds {
		for n := 1; n < 12<<20; n = n*5 + 3 {
			var out bytes.Buffer
			w := NewWriter(&out, enc, buffers)
			promise := w.MaxSize(int64(n))
			for body := content(2, n); len(body) > 0; {
				k := min(len(body), 1+n/7)
				if _, err := w.Write(body[:k]); err != nil {
					t.Fatal(err)
				}
				body = body[k:]
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if int64(out.Len()) > promise {
				t.Errorf("%s: %d bytes make %d, promised were %d", name, n, out.Len(), promise)
			}
			if slack := promise - int64(out.Len()); name == "random" && slack > 1024+int64(n)/500 {
				t.Errorf("%s: %d bytes make %d, promised were %d: too careful", name, n, out.Len(), promise)
			}
		}
	}
}

// file writes a seekable file of some frames and gives its content.
func file(t testing.TB) (whole, content []byte) {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(&out, encoders(t), NewBuffers())
	for i, name := range []string{"random", "text", "zeros"} {
		body := kinds[name](uint64(i), 3000+i)
		if _, err := w.Write(body); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		content = append(content, body...)
	}
	if err := errors.Join(w.Flush(), w.Close()); err != nil { // the second Flush has nothing to do
		t.Fatal(err)
	}
	return out.Bytes(), content
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	whole, content := file(t)
	table, err := ReadTable(bytes.NewReader(whole), int64(len(whole)))
	if err != nil || table.Content() != int64(len(content)) || len(table.frames) != 3 {
		t.Fatalf("%+v, %v", table, err)
	}
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	var body, scratch []byte
	for off := range int64(len(content)) {
		f, err := table.At(off)
		if err != nil || f.Content > off || f.Content+f.ContentLength <= off {
			t.Fatalf("at %d: %+v, %v", off, f, err)
		}
		if off != f.Content {
			continue
		}
		if body, scratch, err = dec.Decode(bytes.NewReader(whole), f, body, scratch); err != nil || !bytes.Equal(body, content[off:off+f.ContentLength]) {
			t.Errorf("frame at %d: %v", off, err)
		}
	}
	for _, off := range []int64{-1, int64(len(content)), 1 << 40} {
		if _, err := table.At(off); !errors.Is(err, ErrFormat) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	program, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("zstd is not installed")
	}
	cmd := proctest.Command(t, program, "-d", "-c")
	cmd.Stdin = bytes.NewReader(whole)
	if out, err := cmd.Output(); err != nil || !bytes.Equal(out, content) {
		t.Errorf("zstd -d gives %d bytes, %v", len(out), err)
	}
}

// TestNoContent is a file of no frames, and one whose writer was used before.
func TestNoContent(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	w := NewWriter(&out, encoders(t), NewBuffers())
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	table, err := ReadTable(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil || table.Content() != 0 {
		t.Errorf("%+v, %v", table, err)
	}
}

func TestBrokenTables(t *testing.T) {
	t.Parallel()
	whole, _ := file(t)
	le := binary.LittleEndian
	end := len(whole)
	head := end - footerSize - 3*entrySize - headerSize
	set := func(at int, v uint32) func([]byte) []byte {
		return func(b []byte) []byte { le.PutUint32(b[at:], v); return b }
	}
	for name, f := range map[string]func([]byte) []byte{
		"empty":                    func([]byte) []byte { return nil },
		"shorter than a table":     func(b []byte) []byte { return b[:headerSize+footerSize-1] },
		"cut":                      func(b []byte) []byte { return b[:end-1] },
		"longer":                   func(b []byte) []byte { return append(b, 0) },
		"first frame gone":         func(b []byte) []byte { return b[le.Uint32(b[head+headerSize:]):] },
		"a byte in front":          func(b []byte) []byte { return append([]byte{0}, b...) },
		"magic at the end":         set(end-4, 0x8F92EAB2),
		"checksums promised":       func(b []byte) []byte { b[end-5] = 0x80; return b },
		"reserved bits":            func(b []byte) []byte { b[end-5] = 1; return b },
		"too many frames":          set(end-footerSize, 1<<22+1),
		"most frames":              set(end-footerSize, 0xFFFFFFFF),
		"one frame fewer":          set(end-footerSize, 2),
		"one frame more":           set(end-footerSize, 4),
		"skippable magic":          set(head, 0x184D2A5D),
		"skippable length":         set(head+4, 3*entrySize+footerSize+1),
		"a frame of no bytes":      set(head+headerSize, 0),
		"a frame of no content":    set(head+headerSize+4, 0),
		"a frame too large":        set(head+headerSize+4, MaxContent+1),
		"a frame beyond the table": set(head+headerSize, uint32(end)),
		"a frame of 4 GiB":         set(head+headerSize, 0xFFFFFFFF),
		"frames that leave a gap":  func(b []byte) []byte { le.PutUint32(b[head+headerSize:], le.Uint32(b[head+headerSize:])-1); return b },
	} {
		t.Run(name, func(t *testing.T) {
			b := f(slices.Clone(whole))
			if table, err := ReadTable(bytes.NewReader(b), int64(len(b))); !errors.Is(err, ErrFormat) {
				t.Errorf("%+v, %v", table, err)
			}
		})
	}
	if _, err := ReadTable(bytes.NewReader(whole[:end-3]), int64(end)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that is shorter than it says: %v", err)
	}
}

// TestHostileFrames decodes frames that are not what the table says.
func TestHostileFrames(t *testing.T) {
	t.Parallel()
	whole, content := file(t)
	table, err := ReadTable(bytes.NewReader(whole), int64(len(whole)))
	if err != nil {
		t.Fatal(err)
	}
	dec, err := NewDecoder()
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	enc := encoders(t)
	good := table.frames[1]
	bomb := enc.Fast.EncodeAll(make([]byte, 64<<20), nil)
	for name, c := range map[string]struct {
		file []byte
		f    Frame
	}{
		"fewer bytes":      {whole, Frame{good.Offset, good.Size, 0, good.ContentLength + 1}},
		"more bytes":       {whole, Frame{good.Offset, good.Size, 0, good.ContentLength - 1}},
		"cut":              {whole, Frame{good.Offset, good.Size - 1, 0, good.ContentLength}},
		"two frames":       {whole, Frame{0, good.Offset + good.Size, 0, good.ContentLength}},
		"no frame":         {content, Frame{0, 100, 0, 100}},
		"one that expands": {bomb, Frame{0, int64(len(bomb)), 0, MaxContent}},
	} {
		if body, _, err := dec.Decode(bytes.NewReader(c.file), c.f, nil, nil); !errors.Is(err, ErrFormat) || len(body) > MaxContent {
			t.Errorf("%s: %d bytes, %v", name, len(body), err)
		}
	}
	if _, _, err := dec.Decode(bytes.NewReader(whole), Frame{int64(len(whole)) - 5, 10, 0, 10}, nil, nil); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("beyond the end: %v", err)
	}
}

// TestWriteError comes through.
func TestWriteError(t *testing.T) {
	t.Parallel()
	full := errors.New("full")
	w := NewWriter(failing{full}, encoders(t), NewBuffers())
	// A frame is written while the next one is gathered: its error comes one frame later.
	if _, err := w.Write(make([]byte, 2*MaxContent+1)); !errors.Is(err, full) {
		t.Errorf("Write: %v", err)
	}
	if err := w.Close(); !errors.Is(err, full) {
		t.Errorf("Close: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// FuzzTable reads any file's seek table: what is accepted fills the file exactly.
func FuzzTable(f *testing.F) {
	whole, _ := file(f)
	f.Add(whole)
	f.Add(whole[len(whole)-footerSize-3*entrySize-headerSize:])
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := ReadTable(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var off, content int64
		for _, fr := range table.frames {
			if fr.Offset != off || fr.Content != content || fr.Size < 1 || fr.ContentLength < 1 || fr.ContentLength > MaxContent {
				t.Fatalf("frame %+v at %d, %d", fr, off, content)
			}
			off, content = off+fr.Size, content+fr.ContentLength
		}
		if n := int64(len(table.frames)); off+headerSize+n*entrySize+footerSize != int64(len(b)) || content != table.Content() {
			t.Fatalf("%d frames end at %d of %d", n, off, len(b))
		}
	})
}
