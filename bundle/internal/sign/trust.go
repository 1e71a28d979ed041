package sign

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/satchel-airgap/satchel/oci/text"
)

// Trust says whose signatures count, and how many different signers are needed.
type Trust struct {
	entries []entry
	revoked []revokedFile
	need    int
}

// LoadTrust reads files of allowed signers, as ssh-keygen(1) describes them: all of their lines
// together. Of those who have signed, need must be different: other keys and other
// principals. The error is a *[TrustFileError].
func LoadTrust(files []string, need int) (*Trust, error) {
	t := &Trust{need: max(need, 1)}
	for _, f := range files {
		entries, err := readAllowed(f)
		if err != nil {
			return nil, err
		}
		t.entries = append(t.entries, entries...)
	}
	return t, nil
}

// Signed is a signature that counts.
type Signed struct {
	File       string `json:"file"`                 // of the signature
	Key        string `json:"key"`                  // SHA256:...
	Principals string `json:"principals,omitempty"` // whose key it is, as the allowed signers say; printable
	Revoked    string `json:"revoked,omitempty"`    // the list that takes the key back: it does not count; printable

	lists []list
}

func (s Signed) String() string { return fmt.Sprintf("%s (%s)", s.Key, s.Principals) }

// Check gives those among the signatures of a message that count. The time is the one at which
// keys must be valid: when what is signed was made. The error is a *[TrustError] if there are
// not enough.
func (t *Trust) Check(namespace string, message []byte, sigs []Signature, at time.Time) ([]Signed, error) {
	return t.CheckWhen(namespace, message, sigs, func() (time.Time, error) { return at, nil })
}

// CheckWhen is [Trust.Check] for a message that says itself when it was made: when is asked
// only if a key that is allowed has signed it. Its error is given as it is.
func (t *Trust) CheckWhen(namespace string, message []byte, sigs []Signature, when func() (time.Time, error)) ([]Signed, error) {
	return t.check(namespace, message, sigs, func() ([]time.Time, error) {
		at, err := when()
		return []time.Time{at}, err
	})
}

// CheckTimeless is [Trust.Check] for a message that does not say when it was made: a key that is allowed
// for a time alone does not count.
func (t *Trust) CheckTimeless(namespace string, message []byte, sigs []Signature) ([]Signed, error) {
	return t.check(namespace, message, sigs, func() ([]time.Time, error) {
		return []time.Time{time.Unix(0, 0).UTC(), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}, nil
	})
}

// check counts the keys that are allowed at each of the times.
func (t *Trust) check(namespace string, message []byte, sigs []Signature, when func() ([]time.Time, error)) ([]Signed, error) {
	failed := &TrustError{Want: t.need}
	var known []candidate
	for _, sig := range sigs {
		pub, err := sig.check(namespace, message)
		if err != nil {
			failed.Refused = append(failed.Refused, Refused{File: sig.File, Why: err.Error()})
			continue
		}
		if list := t.revokedBy(pub); list != "" {
			failed.Refused = append(failed.Refused, Refused{sig.File, ssh.FingerprintSHA256(pub), "its key is revoked by " + list})
			continue
		}
		c := candidate{file: sig.File, pub: pub}
		if slices.ContainsFunc(known, c.same) {
			continue // a second signature by one key says nothing more
		}
		if why := c.find(t.entries, namespace); why != "" {
			failed.Refused = append(failed.Refused, Refused{sig.File, ssh.FingerprintSHA256(pub), why})
			continue
		}
		known = append(known, c)
	}
	if len(known) == 0 {
		return nil, failed
	}
	times, err := when()
	if err != nil {
		return nil, err
	}
	for _, c := range known {
		s, why := c.always(times)
		if why != "" {
			failed.Refused = append(failed.Refused, Refused{c.file, s.Key, why})
			continue
		}
		failed.Signed = append(failed.Signed, s)
	}
	if Different(failed.Signed) < t.need {
		return nil, failed
	}
	return failed.Signed, nil
}

// always is at for several times.
func (c candidate) always(times []time.Time) (s Signed, why string) {
	for _, at := range times {
		if s, why = c.at(at); why != "" {
			if len(times) > 1 {
				why = "the key is allowed for a time alone, and when this was signed is not known"
			}
			return s, why
		}
	}
	return s, ""
}

// candidate is a signature that is right, and the lines that allow its key.
type candidate struct {
	file    string
	pub     ssh.PublicKey
	entries []entry
}

func (c candidate) same(d candidate) bool { return bytes.Equal(c.pub.Marshal(), d.pub.Marshal()) }

// find looks for lines that allow the key, or says why there is none.
func (c *candidate) find(entries []entry, namespace string) (why string) {
	why = "its key is not among the allowed signers"
	for _, e := range entries {
		if !c.same(candidate{pub: e.pub}) {
			continue
		}
		if e.options.namespaces != nil && !e.options.namespaces.has(namespace) {
			why = fmt.Sprintf("its key is not allowed to sign for %q", namespace)
			continue
		}
		c.entries = append(c.entries, e)
	}
	if len(c.entries) > 0 {
		return ""
	}
	return why
}

// at makes it count by the lines that are valid at a time, or says why none is.
func (c candidate) at(at time.Time) (s Signed, why string) {
	s = Signed{File: c.file, Key: ssh.FingerprintSHA256(c.pub)}
	var names []string
	for _, e := range c.entries {
		switch {
		case !e.options.after.IsZero() && at.Before(e.options.after):
			why = fmt.Sprintf("its key is valid only from %s, and this is of %s", when(e.options.after), when(at))
			continue
		case !e.options.before.IsZero() && at.After(e.options.before):
			why = fmt.Sprintf("its key was valid only until %s, and this is of %s", when(e.options.before), when(at))
			continue
		}
		s.lists = append(s.lists, e.principals)
		if !slices.Contains(names, e.who) {
			names = append(names, e.who)
		}
	}
	if len(s.lists) == 0 {
		return s, why
	}
	s.Principals = strings.Join(names, "; ")
	return s, ""
}

func when(t time.Time) string { return text.Minute(t.UTC()) }

// shares reports whether the two may be one person: a principal is of both.
func (s Signed) shares(o Signed) bool {
	for _, a := range s.lists {
		if slices.ContainsFunc(o.lists, a.shares) {
			return true
		}
	}
	return false
}

// Different counts signers of whom no two may be one person, at least that many: of those that
// share a principal, one counts.
func Different(signed []Signed) int {
	conflicts := make([]int, len(signed))
	for i, a := range signed {
		for j, b := range signed {
			if i != j && (a.Key == b.Key || a.shares(b)) {
				conflicts[i]++
			}
		}
	}
	order := make([]int, len(signed))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(conflicts[i], conflicts[j]) })
	var chosen []Signed
	for _, i := range order {
		if !slices.ContainsFunc(chosen, func(c Signed) bool { return c.Key == signed[i].Key || c.shares(signed[i]) }) {
			chosen = append(chosen, signed[i])
		}
	}
	return len(chosen)
}
