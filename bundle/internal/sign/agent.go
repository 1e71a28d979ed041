package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/satchel-airgap/satchel/oci/text"
)

// agentError is trouble with ssh-agent that may be over the next time.
func agentError(file string, err error, hint string) error {
	return &SignerError{File: file, Err: err, away: true, hint: hint}
}

const agentHint = "start ssh-agent and add the private key to it (ssh-add KEY), or give the file of the private key"

// agentPatience is how long an agent may take before it is said what is waited for.
const agentPatience = 3 * time.Second

// agentKey is a public key whose private half is in the agent that listens at a socket.
type agentKey struct {
	file, socket string
	pub          ssh.PublicKey
	say          func(message string)
	patience     time.Duration
}

// ofPublic makes a signer of a public key; its private half is looked for in the agent each
// time.
func ofPublic(file string, body []byte, socket string, say func(string)) (*Signer, error) {
	pub, _, _, rest, err := ssh.ParseAuthorizedKey(body)
	if err != nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, notAKey(file)
	}
	if t := pub.Type(); t != ssh.KeyAlgoED25519 {
		return nil, typeError(file, t)
	}
	if socket == "" {
		return nil, agentError(file, errors.New("it is a public key, and no ssh-agent is named in $SSH_AUTH_SOCK"), agentHint)
	}
	key := agentKey{file: file, socket: socket, pub: pub, say: say, patience: agentPatience}
	return &Signer{file: file, pub: pub, sign: key.use}, nil
}

// use lets the agent sign. The end of ctx ends waiting for its answer.
func (a agentKey) use(ctx context.Context, sign func(ssh.Signer) error) (err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", a.socket)
	if err != nil {
		return agentError(a.file, fmt.Errorf("reach ssh-agent at $SSH_AUTH_SOCK: %w", err), agentHint)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what waits for an answer has it then
	slow := time.AfterFunc(a.patience, func() {
		a.say(fmt.Sprintf("waiting for ssh-agent to sign with %s: it may ask somebody to agree, or its key may have to be touched", text.Printable(a.file)))
	})
	defer func() {
		slow.Stop()
		if stop() {
			err = errors.Join(err, conn.Close())
		}
	}()
	keys, err := agent.NewClient(conn).Signers()
	if err != nil {
		return agentError(a.file, fmt.Errorf("ask ssh-agent for its keys: %w", err), agentHint)
	}
	for _, k := range keys {
		if !bytes.Equal(k.PublicKey().Marshal(), a.pub.Marshal()) {
			continue
		}
		if err := sign(k); err != nil {
			return agentError(a.file, fmt.Errorf("ssh-agent does not sign with it: %w", err), "unlock the agent, or agree when it asks; then run the same command again")
		}
		return nil
	}
	return agentError(a.file, errors.New("ssh-agent does not have its private half"), "add the private key to the agent (ssh-add KEY), or give the file of the private key")
}
