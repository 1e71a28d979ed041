package serve

import (
	"bufio"
	"bytes"
	"context"
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
	pauses       = 8 // at a time: so many guesses are answered in a pause, whoever makes them
	mostTries    = 8 // of different passwords that one client has at a time; further ones are not compared
)

// Passwords are who may read. A password that was right once is known again without bcrypt, by
// an HMAC with a key of this run.
//
// A wrong one costs a pause. A client pays for one at a time, and all clients together for a few:
// guessing is slow however many connections it has. A right one never waits for a pause, but the
// first time with bcrypt, behind the guesses of the same client. Requests of a client with the same
// password get one answer.
type Passwords struct {
	hashes map[string][]byte // bcrypt, by user; nil: one password for any user
	other  []byte            // what unknown users are compared with, so that they take as long
	key    [32]byte
	one    [32]byte

	mu      sync.Mutex
	clients map[string]*line // that have a password tried

	paying  chan struct{}
	bcrypt  chan struct{} // one at a time, so that reading is not held up
	compare func(hash, password []byte) error
	known   sync.Map      // [32]byte of user and password
	pause   time.Duration // after a wrong one
}

// line is of one client, whose passwords are tried one after the other.
type line struct {
	turn  chan struct{}
	tries map[[32]byte]*try // by user and password
}

// try is one password of a client.
type try struct {
	done chan struct{} // is closed when the verdict is there
	is   verdict
}

// verdict is what comes of a password.
type verdict int

const (
	wrong   verdict = iota
	right           // the user may read
	crowded         // not compared: its client has too many others tried
	over            // the run ends: what was not known is not told any more
)

func newPasswords() (*Passwords, error) {
	p := &Passwords{clients: map[string]*line{}, paying: make(chan struct{}, pauses), bcrypt: make(chan struct{}, 1), compare: bcrypt.CompareHashAndPassword, pause: usualPause}
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

// judge says whether a user has this password. A wrong one costs its pause whether the client waits
// for the answer or not: its connection is one of those that are limited. Once ended is closed
// nobody waits any more.
func (p *Passwords) judge(ctx context.Context, ended <-chan struct{}, client, user, password string) verdict {
	if p.isKnown(user, password) {
		return right
	}
	key := p.sum(user, password)
	l, t, mine := p.join(client, key)
	switch {
	case t == nil:
		return crowded
	case mine:
		defer p.leave(client, key)
		t.is = p.attempt(ended, l, user, password)
		return t.is
	}
	select {
	case <-t.done:
		return t.is
	case <-ended:
	case <-ctx.Done():
	}
	return over
}

// join gives the try of a client's password. It is mine to make if there was none; nil if the
// client has too many.
func (p *Passwords) join(client string, key [32]byte) (l *line, t *try, mine bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l = p.clients[client]
	if l == nil {
		l = &line{turn: make(chan struct{}, 1), tries: map[[32]byte]*try{}}
		p.clients[client] = l
	}
	if t = l.tries[key]; t != nil || len(l.tries) >= mostTries {
		return l, t, false
	}
	t = &try{done: make(chan struct{})}
	l.tries[key] = t
	return l, t, true
}

// leave ends a try.
func (p *Passwords) leave(client string, key [32]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.clients[client]
	close(l.tries[key].done)
	delete(l.tries, key)
	if len(l.tries) == 0 {
		delete(p.clients, client)
	}
}

// attempt tries a password when it is its turn.
func (p *Passwords) attempt(ended <-chan struct{}, l *line, user, password string) verdict {
	if !taken(l.turn, ended) {
		return over
	}
	defer func() { <-l.turn }()
	if p.hashes != nil {
		if is := p.match(ended, user, password); is != wrong {
			return is
		}
	}
	if !taken(p.paying, ended) {
		return over
	}
	defer func() { <-p.paying }()
	select {
	case <-time.After(p.pause):
		return wrong
	case <-ended:
		return over
	}
}

// taken waits for a place, and reports whether it has one.
func taken(places chan struct{}, ended <-chan struct{}) bool {
	select {
	case <-ended: // it decides, also where a place is free
		return false
	default:
	}
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

// match compares a password with the hash of its user, unless another client was found to have the
// same one meanwhile.
func (p *Passwords) match(ended <-chan struct{}, user, password string) verdict {
	if !taken(p.bcrypt, ended) {
		return over
	}
	defer func() { <-p.bcrypt }()
	if p.isKnown(user, password) {
		return right
	}
	hash, there := p.hashes[user]
	if !there {
		hash = p.other
	}
	if p.compare(hash, []byte(password)) != nil || !there {
		return wrong
	}
	p.known.Store(p.sum(user, password), true)
	return right
}

// admit answers who may not read.
func (g *Registry) admit(a *answer, r *http.Request) bool {
	if g.Passwords == nil {
		return true
	}
	is := wrong
	if user, password, ok := r.BasicAuth(); ok {
		is = g.Passwords.judge(r.Context(), g.ended, clientOf(r), user, password)
	}
	switch is {
	case right:
		return true
	case crowded:
		a.Header().Set("Retry-After", "2")
		a.refuse(http.StatusTooManyRequests, codeTooMany, "too many other passwords of this address are tried now")
	case over:
		a.Header().Set("Retry-After", "5")
		a.refuse(http.StatusServiceUnavailable, codeUnavailable, "this registry ends now")
	case wrong:
		a.Header().Set("Www-Authenticate", `Basic realm="satchel", charset="UTF-8"`)
		a.refuse(http.StatusUnauthorized, codeUnauthorized, "a user name and its password are needed")
	}
	return false
}
