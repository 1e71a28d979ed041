package bundle

import (
	"context"
	"os"

	"github.com/satchel-airgap/satchel/bundle/internal/keys"
	"github.com/satchel-airgap/satchel/bundle/internal/sign"
)

// What OpenSSH signatures are made for: a signature for one thing is none for another.
const (
	BundleNamespace  = sign.BundleNamespace  // of bundle.json
	DriveNamespace   = sign.DriveNamespace   // of drive.json
	ReceiptNamespace = sign.ReceiptNamespace // of a receipt

	StatementNamespace = sign.StatementNamespace // of what verify has found
)

// Signer makes OpenSSH signatures by one ed25519 key, see [LoadSigner].
type Signer = sign.Signer

// Signature is the content of a signature file, as ssh-keygen -Y sign writes it too.
type Signature = sign.Signature

// Trust says whose signatures count, see [LoadTrust] and its method Check.
type Trust = sign.Trust

// Signed is a signature that counts.
type Signed = sign.Signed

// SignerError says why a key cannot sign.
type SignerError = sign.SignerError

// TrustError says that not enough of those who are trusted have signed.
type TrustError = sign.TrustError

// TrustFileError says which line of a file of allowed signers is not understood.
type TrustFileError = sign.TrustFileError

// LoadSigner makes a signer of an OpenSSH private key file, for whose passphrase ui is asked
// if it has one, or of a public key file whose private half is in the agent at
// $SSH_AUTH_SOCK. It makes one signature, so that what stands in the way shows now. The error
// is a *[SignerError].
func LoadSigner(ctx context.Context, file string, ui *UI) (*Signer, error) {
	how := sign.UI{Ask: func(string) (string, error) { return "", keys.ErrNoTerminal }, Say: func(string) {}}
	if ui != nil {
		how = sign.UI{Ask: func(prompt string) (string, error) { return ui.Ask(prompt, true) }, Say: ui.Notify}
	}
	return sign.Load(ctx, file, os.Getenv("SSH_AUTH_SOCK"), how)
}

// LoadTrust reads files of allowed signers, as ssh-keygen(1) describes them. Of those who
// have signed, need must be different: other keys and other principals. The error is a
// *[TrustFileError].
func LoadTrust(files []string, need int) (*Trust, error) { return sign.LoadTrust(files, need) }
