package keys

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// pair is a new key in all its forms.
type pair struct {
	secret string
	public Recipient
	ids    []Identity
}

func newPair(t testing.TB, pq bool) pair {
	t.Helper()
	secret, public, err := Generate(pq)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRecipient(public)
	if err != nil || r.PostQuantum != pq || r.Text != public {
		t.Fatalf("%+v, %v", r, err)
	}
	ids, err := ReadIdentities(strings.NewReader("# a comment\n\n" + secret + "\n"))
	if err != nil || len(ids) != 1 {
		t.Fatal(err)
	}
	return pair{secret, r, ids}
}

// TestWrap opens a key file with each recipient's key, and what is encrypted to
// the bundle key with what is in it.
func TestWrap(t *testing.T) {
	for _, pq := range []bool{false, true} {
		a, b, other := newPair(t, pq), newPair(t, pq), newPair(t, pq)
		file, bundle, err := Wrap([]Recipient{a.public, b.public})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := IsPostQuantum(file); got != pq || err != nil {
			t.Errorf("post-quantum %v: the file says %v, %v", pq, got, err)
		}
		if strings.HasPrefix(bundle, "age1pq1") != pq || bundle == a.public.Text {
			t.Errorf("post-quantum %v: the bundle key is %s", pq, bundle)
		}
		var sealed bytes.Buffer
		w, err := Encrypt(&sealed, bundle)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = io.WriteString(w, "hello"); errors.Join(err, w.Close()) != nil {
			t.Fatal(err)
		}
		for _, ids := range [][]Identity{a.ids, b.ids, slices.Concat(other.ids, a.ids)} {
			key, err := Unwrap(file, ids)
			if err != nil {
				t.Fatal(err)
			}
			r, n, err := key.Decrypt(bytes.NewReader(sealed.Bytes()), int64(sealed.Len()))
			if err != nil || n != 5 {
				t.Fatalf("%d bytes, %v", n, err)
			}
			if got, err := io.ReadAll(io.NewSectionReader(r, 0, n)); string(got) != "hello" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
		}
		for name, ids := range map[string][]Identity{"another key": other.ids, "none": nil, "another kind": newPair(t, !pq).ids} {
			if _, err := Unwrap(file, ids); !errors.Is(err, ErrNoMatch) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, ids := range [][]Identity{a.ids, b.ids} {
			if _, _, err := ids[0].Decrypt(bytes.NewReader(sealed.Bytes()), int64(sealed.Len())); err == nil {
				t.Error("a recipient's own key opens what is encrypted to the bundle key alone")
			}
		}
	}
}

func TestMix(t *testing.T) {
	classic, pq := newPair(t, false).public, newPair(t, true).public
	for _, list := range [][]Recipient{{classic, pq}, {pq, classic}, {pq, pq, classic}} {
		if err := CheckMix(list); !errors.Is(err, ErrMixed) {
			t.Errorf("%v", err)
		}
		if _, _, err := Wrap(list); !errors.Is(err, ErrMixed) {
			t.Errorf("Wrap: %v", err)
		}
	}
	for _, list := range [][]Recipient{{classic}, {pq}, {classic, classic}, {pq, pq}} {
		if err := CheckMix(list); err != nil {
			t.Error(err)
		}
	}
	if err := CheckMix(nil); err == nil {
		t.Error("no recipient is accepted")
	}
}

// TestRefusedRecipients says what is wrong, and repeats no secret.
func TestRefusedRecipients(t *testing.T) {
	classic, pq := newPair(t, false), newPair(t, true)
	for name, c := range map[string]struct{ text, says string }{
		"secret key":              {classic.secret, "a secret key was given"},
		"post-quantum secret key": {pq.secret, "a secret key was given"},
		"plugin":                  {"age1yubikey1qwt50d05nh5vutpdzmlg5wn80xq5negm4uj9ghv0snvdd3yysf5yw3rhl3t", "a plugin's"},
		"damaged":                 {classic.public.Text[:61] + "q", "recipient"},
		"damaged post-quantum":    {pq.public.Text[:100], "recipient"},
		"short":                   {classic.public.Text[:50], "recipient"},
		"ssh":                     {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAA", "begin with age1"},
		"empty":                   {"", "begin with age1"},
		"in capitals":             {strings.ToUpper(classic.public.Text), "recipient"},
		"a secret in small":       {strings.ToLower(classic.secret), "recipient"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseRecipient(c.text)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v", err)
			}
			for _, secret := range []string{classic.secret, pq.secret} {
				if strings.Contains(strings.ToUpper(err.Error()), secret[20:40]) {
					t.Errorf("the message tells the secret: %v", err)
				}
			}
			if _, err := ReadRecipients(strings.NewReader("# mine\n" + c.text + "x\n")); err == nil || !strings.Contains(err.Error(), "line 2") {
				t.Errorf("in a file: %v", err)
			}
		})
	}
}

func TestReadRecipients(t *testing.T) {
	a, b := newPair(t, false).public.Text, newPair(t, false).public.Text
	list, err := ReadRecipients(strings.NewReader("\n# two\n  " + a + "  \r\n\t\n" + b))
	if err != nil || len(list) != 2 || list[0].Text != a || list[1].Text != b {
		t.Errorf("%v, %v", list, err)
	}
	for _, text := range []string{"", "# nothing\n\n"} {
		if _, err := ReadRecipients(strings.NewReader(text)); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
	gone := errors.New("gone")
	if _, err := ReadRecipients(failing{gone}); !errors.Is(err, gone) {
		t.Errorf("%v", err)
	}
	long := a + "\n" + strings.Repeat("#"+strings.Repeat("x", 1000)+"\n", 1100) + b + "\n"
	if list, err := ReadRecipients(strings.NewReader(long)); err == nil {
		t.Errorf("a file above the limit is read in part, without %d of its recipients", 2-len(list))
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestIdentityFiles refuses what is not one, and never repeats what is in it.
func TestIdentityFiles(t *testing.T) {
	k := newPair(t, true)
	for name, text := range map[string]string{
		"empty":             "",
		"a comment":         "# " + k.secret + "\n",
		"a damaged secret":  k.secret[:len(k.secret)-1] + "\n",
		"a secret and more": k.secret + "x\n",
		"a recipient":       k.public.Text + "\n",
		"garbage":           "hunter2 is my password\n",
		"zeros":             strings.Repeat("\x00", 100),
		"a good one, then":  k.secret + "\nhunter2\n",
	} {
		ids, err := ReadIdentities(strings.NewReader(text))
		if err == nil {
			t.Errorf("%s: %d identities", name, len(ids))
			continue
		}
		for _, word := range []string{"hunter2", k.secret[20:40], k.public.Text[10:30]} {
			if strings.Contains(err.Error(), word) {
				t.Errorf("%s: the message repeats the file: %v", name, err)
			}
		}
	}
	other := newPair(t, false)
	if ids, err := ReadIdentities(strings.NewReader(k.secret + "\n# b\n" + other.secret)); err != nil || len(ids) != 2 {
		t.Errorf("two keys: %d, %v", len(ids), err)
	}
}

// TestKeyFilesContent refuses key files that do not hold one key.
func TestKeyFilesContent(t *testing.T) {
	k := newPair(t, false)
	wrap := func(text string) []byte {
		var buf bytes.Buffer
		w, err := age.Encrypt(&buf, k.public.key)
		if err == nil {
			_, err = io.WriteString(w, text)
		}
		if errors.Join(err, w.Close()) != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	a, b := newPair(t, false).secret, newPair(t, false).secret
	for name, file := range map[string][]byte{
		"two keys": wrap(a + "\n" + b + "\n"),
		"none":     wrap(""),
		"a poem":   wrap("hunter2\n"),
		"cut":      wrap(a + "\n")[:200],
		"nothing":  nil,
		"garbage":  []byte("no age file"),
	} {
		_, err := Unwrap(file, k.ids)
		if err == nil || errors.Is(err, ErrNoMatch) || strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), a[20:40]) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Unwrap(wrap(a+"\n"), k.ids); err != nil {
		t.Error(err)
	}
	var armored bytes.Buffer
	w := armor.NewWriter(&armored)
	if _, err := w.Write(wrap(a + "\n")); errors.Join(err, w.Close()) != nil {
		t.Fatal(err)
	}
	if _, err := Unwrap(armored.Bytes(), k.ids); err == nil {
		t.Error("an armored file is accepted; FORMAT.md, section 3")
	}
	for _, body := range [][]byte{nil, []byte("x"), armored.Bytes()} {
		if _, err := IsPostQuantum(body); err == nil {
			t.Errorf("%.20q has a header", body)
		}
	}
	if _, err := Encrypt(io.Discard, "age1nonsense"); err == nil {
		t.Error("it encrypts to nonsense")
	}
}
