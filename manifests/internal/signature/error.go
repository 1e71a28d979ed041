package signature

// Kind says what is wrong with a message.
type Kind string

// The kinds of failure.
const (
	Malformed    Kind = "malformed"     // it is no signed claim as releases have it
	Forged       Kind = "forged"        // its body is not what was signed
	OtherPayload Kind = "other payload" // it is genuine, and for something else
	UnknownKey   Kind = "unknown key"   // none of the keyring's signed it
	Expired      Kind = "expired"       // the key or the signature is over, or not valid yet
	Revoked      Kind = "revoked"       // the key was withdrawn
)

// Error says why a message does not verify a payload.
type Error struct {
	Kind Kind
	Msg  string
	Err  error // what the OpenPGP library says; may be nil
}

func (e *Error) Error() string {
	if e.Err != nil {
		return e.Msg + ": " + e.Err.Error()
	}
	return e.Msg
}

func (e *Error) Unwrap() error { return e.Err }

func malformed(msg string, err error) error { return &Error{Malformed, msg, err} }
