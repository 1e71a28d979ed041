package sign

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// agentError is trouble with ssh-agent that may be over the next time.
func agentError(file string, err error, hint string) error {
	return &SignerError{File: file, Err: err, away: true, hint: hint}
}

const agentHint = "start ssh-agent and add the private key to it (ssh-add KEY), or give the file of the private key"

// ofPublic makes a signer of a public key; its private half is looked for in the agent each
// time.
func ofPublic(file string, body []byte, socket string) (*Signer, error) {
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
	use := func(ctx context.Context, sign func(ssh.Signer) error) error {
		return withAgent(ctx, file, socket, pub, sign)
	}
	return &Signer{file: file, pub: pub, sign: use}, nil
}

// withAgent lets the agent sign. The end of ctx ends waiting for its answer.
func withAgent(ctx context.Context, file, socket string, pub ssh.PublicKey, sign func(ssh.Signer) error) (err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", socket)
	if err != nil {
		return agentError(file, fmt.Errorf("reach ssh-agent at $SSH_AUTH_SOCK: %w", err), agentHint)
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() }) // what waits for an answer has it then
	defer func() {
		if stop() {
			err = errors.Join(err, conn.Close())
		}
	}()
	keys, err := agent.NewClient(conn).Signers()
	if err != nil {
		return agentError(file, fmt.Errorf("ask ssh-agent for its keys: %w", err), agentHint)
	}
	for _, k := range keys {
		if bytes.Equal(k.PublicKey().Marshal(), pub.Marshal()) {
			if err := sign(k); err != nil {
				return agentError(file, fmt.Errorf("ssh-agent does not sign with it: %w", err), "unlock the agent, or agree when it asks; then run the same command again")
			}
			return nil
		}
	}
	return agentError(file, errors.New("ssh-agent does not have its private half"), "add the private key to the agent (ssh-add KEY), or give the file of the private key")
}
