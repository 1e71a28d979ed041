package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/satchel-airgap/satchel/transport/internal/login"
)

// TestCertificateDates names host, dates and clock of a certificate that is good no more, or not yet,
// also of a token service.
func TestCertificateDates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, from := range []time.Time{now.Add(-48 * time.Hour), now.Add(24 * time.Hour)} {
		cert := &x509.Certificate{NotBefore: from, NotAfter: from.Add(24 * time.Hour)}
		sent := &url.Error{Op: "Get", URL: "https://token.example/auth", Err: &tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Cert: cert, Reason: x509.Expired}}}
		for _, err := range []error{sent, &login.ServiceError{Host: "token.example", Err: sent}} {
			err := explain("pull", "registry.example/a:1", err)
			answer, ok := errors.AsType[*RegistryError](err)
			if !ok || answer.Trouble() != TroubleExpired || !strings.Contains(answer.Hint(), "clock") ||
				!strings.Contains(err.Error(), "the certificate of token.example is good from "+from.UTC().Format("2006-01-02 15:04")) || !strings.Contains(err.Error(), "the clock of this host says "+now.UTC().Format("2006-")) {
				t.Errorf("%v", err)
			}
		}
	}
}
