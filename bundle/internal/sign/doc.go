// Package sign makes and checks OpenSSH signatures, as ssh-keygen -Y has them: by an
// ed25519 key in a file or in ssh-agent, and checked by files of allowed signers. The
// format is PROTOCOL.sshsig of OpenSSH; that of the files is in ssh-keygen(1).
package sign
