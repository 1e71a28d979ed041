package transport

import (
	"errors"
	"net/http"
	"strings"
)

// classify names the problem behind what a registry answered to a push.
func classify(err error) Problem {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return ProblemOther
	}
	switch answer.Trouble() {
	case TroubleFull:
		return ProblemFull
	case TroubleAuthority, TroubleExpired, TroubleHostName, TroubleTLS, TroublePlainHTTP:
		return ProblemTLS
	case TroubleRefused, TroubleName, TroubleLost, TroubleProxy:
		return ProblemUnreachable
	}
	said := strings.ToLower(answer.Code + " " + answer.Message)
	switch {
	case strings.Contains(said, "no space left"), strings.Contains(said, "quota"):
		return ProblemFull
	case answer.Status == http.StatusNotFound, strings.Contains(said, "name_unknown"):
		return ProblemProject
	case answer.Status == http.StatusUnauthorized:
		return ProblemCredentials
	case answer.Status == http.StatusMethodNotAllowed:
		return ProblemReadOnly
	case answer.Status == http.StatusForbidden:
		return ProblemDenied
	}
	return ProblemOther
}

// refuses reports whether a registry answered that something is not to be had,
// and would answer the same again.
func refuses(err error) bool {
	var answer *RegistryError
	if !errors.As(err, &answer) {
		return false
	}
	return permanentStatus(answer.Status)
}
