package transport

import (
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
)

// classify names the problem behind what a registry answered to a push.
func classify(err error) Problem {
	var answer *RegistryError
	var cert *tls.CertificateVerificationError
	var plain *PlainHTTPError
	switch {
	case errors.As(err, &cert), errors.As(err, &plain):
		return ProblemTLS
	case !errors.As(err, &answer):
		return ProblemOther
	case answer.Status == 0:
		return ProblemUnreachable
	}
	said := strings.ToLower(answer.Code + " " + answer.Message)
	switch {
	case answer.Status == http.StatusInsufficientStorage, strings.Contains(said, "no space left"), strings.Contains(said, "quota"):
		return ProblemFull
	case answer.Status == http.StatusNotFound, strings.Contains(said, "name_unknown"), strings.Contains(said, "name unknown"):
		return ProblemProject
	case answer.Status == http.StatusUnauthorized:
		return ProblemCredentials
	case answer.Status == http.StatusForbidden, answer.Status == http.StatusMethodNotAllowed, strings.Contains(said, "denied"):
		return ProblemReadOnly
	}
	return ProblemOther
}
