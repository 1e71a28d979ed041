package serve

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

const (
	maxPasswords = 1 << 20 // bytes of a file
	maxCost      = 15      // of bcrypt: about 2 seconds a try
	usualPause   = time.Second
	pauses       = 8  // at a time: so many guesses are answered in a pause, whoever makes them
	clientLines  = 64 // of clients: those of one line guess one after the other
)

// Passwords are who may read. A password that was right once is known again without bcrypt, by
// an HMAC with a key of this run.
//
// A wrong one costs a pause. A client pays for one at a time, and all clients together for a few:
// guessing is slow however many connections it has. A right one never waits for a pause, but the
// first time with bcrypt, behind the guesses of the same client.
type Passwords struct {
	hashes map[string][]byte // bcrypt, by user; nil: one password for any user
	other  []byte            // what unknown users are compared with, so that they take as long
	key    [32]byte
	one    [32]byte

	line   [clientLines]chan struct{} // by client
	paying chan struct{}
	try    chan struct{} // one bcrypt at a time, so that reading is not held up
	known  sync.Map      // [32]byte of user and password
	pause  time.Duration // after a wrong one
}

func newPasswords() (*Passwords, error) {
	p := &Passwords{paying: make(chan struct{}, pauses), try: make(chan struct{}, 1), pause: usualPause}
	for i := range p.line {
		p.line[i] = make(chan struct{}, 1)
	}
	_, err := rand.Read(p.key[:])
	return p, err
}

// ReadPassword reads the password in the first line of a file. Any user name goes with it.
func ReadPassword(name string) (*Passwords, error) {
	body, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(body, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return nil, fmt.Errorf("%s: its first line is empty", name)
	}
	p, err := newPasswords()
	if err != nil {
		return nil, err
	}
	p.one = p.sum("", string(line))
	return p, nil
}

// ReadHtpasswd reads a file of lines USER:HASH, the hashes by bcrypt, as htpasswd -B writes it.
func ReadHtpasswd(name string) (*Passwords, error) {
	body, err := readSmall(name)
	if err != nil {
		return nil, err
	}
	p, err := newPasswords()
	if err != nil {
		return nil, err
	}
	p.hashes = map[string][]byte{}
	lines := bufio.NewScanner(bytes.NewReader(body))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		user, hash, ok := strings.Cut(line, ":")
		cost, err := bcrypt.Cost([]byte(hash))
		if !ok || err != nil || user == "" || cost > maxCost {
			return nil, fmt.Errorf("%s:%d: it is not USER:HASH with a hash by bcrypt of a cost of at most %d; htpasswd -B makes such lines", name, n, maxCost)
		}
		p.hashes[user], p.other = []byte(hash), []byte(hash)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(p.hashes) == 0 {
		return nil, fmt.Errorf("%s has no user", name)
	}
	return p, nil
}

func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(f, maxPasswords+1))
	if err == nil && len(body) > maxPasswords {
		err = fmt.Errorf("%s is larger than a file of passwords", name)
	}
	return body, errors.Join(err, f.Close())
}

// User is the name of one who may read; with one password for all, any name.
func (p *Passwords) User() string {
	if p.hashes == nil {
		return "satchel"
	}
	return slices.Min(slices.Collect(maps.Keys(p.hashes)))
}

func (p *Passwords) sum(user, password string) (sum [32]byte) {
	h := hmac.New(sha256.New, p.key[:])
	_, _ = fmt.Fprintf(h, "%d:%s%s", len(user), user, password) // a hash takes everything
	h.Sum(sum[:0])
	return sum
}

// right reports whether a user has this password. A wrong one costs its pause whether the client
// waits for the answer or not: its connection is one of those that are limited. Once ended is
// closed nobody waits any more, and what is not known is wrong.
func (p *Passwords) right(ended <-chan struct{}, client, user, password string) bool {
	if p.isKnown(user, password) {
		return true
	}
	sum := p.sum("", client)
	line := p.line[sum[0]%clientLines]
	if !taken(line, ended) {
		return false
	}
	defer func() { <-line }()
	if p.hashes != nil && p.matches(ended, user, password) {
		return true
	}
	if !taken(p.paying, ended) {
		return false
	}
	defer func() { <-p.paying }()
	select {
	case <-time.After(p.pause):
	case <-ended:
	}
	return false
}

// taken waits for a place, and reports whether it has one.
func taken(places chan struct{}, ended <-chan struct{}) bool {
	select {
	case places <- struct{}{}:
		return true
	case <-ended:
		return false
	}
}

// isKnown reports whether a password is right as far as that can be told at once.
func (p *Passwords) isKnown(user, password string) bool {
	if p.hashes == nil {
		sum := p.sum("", password)
		return subtle.ConstantTimeCompare(sum[:], p.one[:]) == 1
	}
	_, ok := p.known.Load(p.sum(user, password))
	return ok
}

// matches compares a password with the hash of its user.
func (p *Passwords) matches(ended <-chan struct{}, user, password string) bool {
	if !taken(p.try, ended) {
		return false
	}
	defer func() { <-p.try }()
	hash, there := p.hashes[user]
	if !there {
		hash = p.other
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !there {
		return false
	}
	p.known.Store(p.sum(user, password), true)
	return true
}

// admit answers 401 to who may not read.
func (g *Registry) admit(a *answer, r *http.Request) bool {
	if g.Passwords == nil {
		return true
	}
	user, password, ok := r.BasicAuth()
	if ok && g.Passwords.right(g.ended, clientOf(r), user, password) {
		return true
	}
	a.Header().Set("Www-Authenticate", `Basic realm="satchel", charset="UTF-8"`)
	a.refuse(http.StatusUnauthorized, codeUnauthorized, "a user name and its password are needed")
	return false
}
