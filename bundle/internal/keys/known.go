package keys

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// Known reports whether it shows that a recipient can open one of the key files already:
// its passphrase or its secret key, among ids, opens one, or one names its SSH key. age
// shows of no other whom a file is for.
func Known(to Recipient, files map[string][]byte, ids []Identity) bool {
	if to.kind == passphrase {
		return to.pass.opens(files, nil) != ""
	}
	if tag := sshTag(to.Text); tag != "" {
		return anyStanza(files, func(list []*age.Stanza) bool {
			return slices.ContainsFunc(list, func(s *age.Stanza) bool {
				return (s.Type == "ssh-ed25519" || s.Type == "ssh-rsa") && len(s.Args) > 0 && s.Args[0] == tag
			})
		})
	}
	return slices.ContainsFunc(ids, func(id Identity) bool {
		return publicHalf(id.key) == to.Text && anyStanza(files, func(list []*age.Stanza) bool {
			_, err := id.key.Unwrap(list)
			return err == nil
		})
	})
}

func anyStanza(files map[string][]byte, right func([]*age.Stanza) bool) bool {
	for _, body := range files {
		if list, err := stanzas(body); err == nil && right(list) {
			return true
		}
	}
	return false
}

// publicHalf is the recipient of a key that is at hand, "" of others.
func publicHalf(id age.Identity) string {
	switch k := id.(type) {
	case *age.X25519Identity:
		return k.Recipient().String()
	case *age.HybridIdentity:
		return k.Recipient().String()
	}
	return ""
}

// sshTag is how a key file names an SSH key (C2SP age specification, SSH recipients), ""
// for another recipient.
func sshTag(text string) string {
	pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(pub.Marshal())
	return base64.RawStdEncoding.EncodeToString(sum[:4])
}
