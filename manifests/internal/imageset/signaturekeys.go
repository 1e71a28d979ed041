package imageset

import (
	"errors"
	"net/url"

	"github.com/satchel-airgap/satchel/manifests/internal/signature"
)

// CheckSignatureKeys says whether text is OpenPGP public keys, for [imageset.Extra].
func CheckSignatureKeys(text string) error {
	_, err := signature.ParseKeys([]byte(text))
	return err
}

// CheckSignatureStore says whether an address can be that of a store, for [imageset.Extra].
func CheckSignatureStore(store string) error {
	u, err := url.Parse(store)
	switch {
	case err != nil:
		return errors.New("it is not an address")
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return errors.New("it is not an http or https address")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("it has more than a host and a path")
	}
	return nil
}
