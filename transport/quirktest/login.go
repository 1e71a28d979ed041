package quirktest

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// basic asks for user and password; challenge is the whole header.
func basic(challenge string) quirk {
	return func(s *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if u, p, _ := r.BasicAuth(); u != user || p != password {
				s.meet("login")
				w.Header().Set("WWW-Authenticate", challenge)
				refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required")
				return
			}
			next(w, r)
		}
	}
}

// tokens is a token service. grant decides on one scope: the actions of those
// asked for that user may have.
type tokens struct {
	path, service string
	grant         func(s *Server, name string, actions []string) []string
	last          bool // of two scopes for one repository, the last one counts
	none          int  // the status where nothing is granted; 0 is a token for nothing
	uses          int  // requests that a token is good for; 0 is no limit
}

// anything in the project may be done.
func inProject(s *Server, name string, actions []string) []string {
	if strings.HasPrefix(name, s.Project+"/") {
		return actions
	}
	return nil
}

// bearer asks for a token of the registry's own token service.
func bearer(ts tokens) quirk {
	return func(s *Server, next handler) handler {
		return func(w http.ResponseWriter, r *request) {
			if r.URL.Path == ts.path {
				ts.issue(s, w, r)
				return
			}
			need := scopes(r)
			has, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
			switch {
			case !ok || !covers(has, need):
				s.meet("login")
			case ts.uses > 0 && s.used(has) > ts.uses:
				s.meet("a token has ended")
			default:
				next(w, r)
				return
			}
			challenge := fmt.Sprintf(`Bearer realm="https://%s%s",service="%s"`, s.Host, ts.path, ts.service)
			if len(need) > 0 {
				challenge += fmt.Sprintf(`,scope="%s"`, need[0])
			}
			w.Header().Set("WWW-Authenticate", challenge)
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "access to the requested resource is not authorized")
		}
	}
}

// used counts the requests of a token.
func (s *Server) used(token string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token]++
	return s.tokens[token]
}

// scopes is what a request needs.
func scopes(r *request) []string {
	switch {
	case r.repo == "":
		return nil
	case r.kind == "POST mount":
		return []string{"repository:" + r.repo + ":pull,push", "repository:" + r.URL.Query().Get("from") + ":pull"}
	case r.Method == http.MethodDelete && !strings.HasSuffix(r.kind, "upload"):
		return []string{"repository:" + r.repo + ":delete"}
	case r.writes():
		return []string{"repository:" + r.repo + ":pull,push"}
	}
	return []string{"repository:" + r.repo + ":pull"}
}

// split takes a scope apart. Its actions are those of type repository.
func split(scope string) (name string, actions []string) {
	parts := strings.Split(scope, ":")
	if len(parts) != 3 || parts[0] != "repository" {
		return "", nil
	}
	return parts[1], strings.Split(parts[2], ",")
}

// covers reports whether a token, which is the list of its scopes, is enough.
func covers(token string, need []string) bool {
	body, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return false
	}
	has := map[string][]string{}
	for scope := range strings.FieldsSeq(string(body)) {
		name, actions := split(scope)
		has[name] = append(has[name], actions...)
	}
	for _, scope := range need {
		name, actions := split(scope)
		for _, a := range actions {
			if !slices.Contains(has[name], a) {
				return false
			}
		}
	}
	return true
}

func (ts tokens) issue(s *Server, w http.ResponseWriter, r *request) {
	if u, p, _ := r.BasicAuth(); u != user || p != password {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "incorrect username or password")
		return
	}
	var asked []string
	for _, list := range r.URL.Query()["scope"] {
		asked = append(asked, strings.Fields(list)...)
	}
	granted := map[string]string{}
	for _, scope := range asked {
		name, actions := split(scope)
		actions = ts.grant(s, name, actions)
		if len(actions) == 0 {
			continue
		}
		if old := granted[name]; old != "" && !ts.last {
			actions = append(strings.Split(old, ","), actions...)
		}
		granted[name] = strings.Join(actions, ",")
	}
	if len(asked) > 0 && len(granted) == 0 && ts.none != 0 {
		refuse(w, ts.none, "DENIED", "access forbidden")
		return
	}
	body := fmt.Sprint("token ", s.used("")) // each is another
	for name, actions := range granted {
		body += " repository:" + name + ":" + actions
	}
	answer(w, "application/json", map[string]any{"token": base64.RawURLEncoding.EncodeToString([]byte(body)), "expires_in": 300})
}
