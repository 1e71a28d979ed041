package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/satchel-airgap/satchel/bundle"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/durable"
)

const (
	statementForm = "verify-statement/1"
	inTotoType    = "https://in-toto.io/Statement/v1"
	predicateType = "https://github.com/satchel-airgap/satchel/verify-statement/v1"
	payloadType   = "application/vnd.in-toto+json"
)

// What a statement says of a bundle.
const (
	resultWhole   = "whole"
	resultFailed  = "failed"      // something is wrong with it
	resultRefused = "not checked" // nothing was read, because it is not the one that is meant, not trusted or unfinished
)

// statementFlags are for what verify writes down of what it found.
type statementFlags struct {
	file string
	sign signFlags
}

func addStatementFlags(f *pflag.FlagSet, s *statementFlags) {
	f.Var(givenValue{&s.file, "FILE"}, "statement", "write what was checked and found, by which version and when, into `FILE`, also where something is wrong; with --sign-key also FILE.sig and, as in-toto statement in a DSSE envelope, FILE.dsse.json")
	addSignFlags(f, &s.sign)
}

// statement is what one run of verify has found.
type statement struct {
	Form    string              `json:"satchel"`
	Result  string              `json:"result"`
	Exit    int                 `json:"exit"`
	Error   string              `json:"error,omitempty"`
	Version string              `json:"version"` // of satchel
	Began   time.Time           `json:"began"`
	Ended   time.Time           `json:"ended"`
	Asked   askedFor            `json:"asked"`
	Report  *verifyReport       `json:"report,omitempty"`
	Sealed  []bundle.SealedFile `json:"files,omitempty"` // as the seals have them; a fault of the report is where one differs

	file    string
	signers []*bundle.Signer
}

// askedFor is what was expected of the bundle.
type askedFor struct {
	Fingerprint string      `json:"fingerprint,omitempty"`
	Trust       []trustFile `json:"trust,omitempty"`
	Signatures  int         `json:"signatures,omitempty"`
	Revoked     []trustFile `json:"revoked,omitempty"`
}

type trustFile struct {
	File   string `json:"file"`
	SHA256 string `json:"sha256"`
}

// beginStatement looks at everything that could stand in the way later; nil without --statement.
func (a *app) beginStatement(ctx context.Context, f statementFlags, trust trustFlags, expect string, dirs []string) (*statement, error) {
	if f.file == "" {
		if len(f.sign.keys) > 0 {
			return nil, usage(errors.New("--sign-key is for the statement of verify, and there is no --statement"), "add --statement FILE; satchel sign signs the bundle")
		}
		return nil, nil
	}
	if err := checkStatement(f.file, dirs); err != nil {
		return nil, err
	}
	fp, err := parseExpect(expect)
	if err != nil {
		return nil, err
	}
	s := &statement{Form: statementForm, Version: version(), Began: time.Now().UTC().Truncate(time.Second), file: f.file}
	s.Asked.Fingerprint = string(fp)
	if s.Asked.Trust, err = trustFiles("--trust", trust.files); err != nil {
		return nil, err
	}
	if s.Asked.Revoked, err = trustFiles("--revoked", trust.revoked); err != nil {
		return nil, err
	}
	if len(trust.files) > 0 {
		s.Asked.Signatures = trust.need
	}
	if len(f.sign.keys) > maxStatementSigners {
		return nil, usage(fmt.Errorf("--sign-key: at most %d keys sign a statement", maxStatementSigners), "")
	}
	if s.signers, err = f.sign.load(ctx, a, a.ui(ctx)); err != nil {
		return nil, err
	}
	return s, sweepStatement(f.file)
}

// trustFiles names the files of a flag by what is in them.
func trustFiles(flag string, names []string) (list []trustFile, err error) {
	for _, name := range names {
		body, err := durable.Read(name, durable.MaxGiven)
		if err != nil {
			return nil, usage(fmt.Errorf("%s: %w", flag, err), "")
		}
		sum := sha256.Sum256(body)
		list = append(list, trustFile{name, hex.EncodeToString(sum[:])})
	}
	return list, nil
}

// checkStatement refuses a file that would be in a bundle, and one that cannot be written.
func checkStatement(file string, dirs []string) error {
	at, err := filepath.EvalSymlinks(filepath.Dir(file))
	if err == nil {
		at, err = filepath.Abs(at)
	}
	if err != nil {
		return usage(fmt.Errorf("--statement: %w", err), "name a file in a directory that there is")
	}
	if isDirectory(file) {
		return usage(fmt.Errorf("--statement: %s is a directory", file), "name a file in it")
	}
	for _, dir := range dirs {
		of, err := filepath.EvalSymlinks(dir)
		if err == nil {
			of, err = filepath.Abs(of)
		}
		if err != nil {
			continue // verify says what is wrong with it
		}
		if rel, err := filepath.Rel(of, at); err == nil && rel != ".." && !strings.HasPrefix(rel, "../") {
			return usage(fmt.Errorf("--statement: %s would be in %s, which is checked, and nothing is written there", file, dir), "name a file on another disk")
		}
	}
	return nil
}

// maxStatementSigners is how many keys may sign a statement.
const maxStatementSigners = 99

// sweepStatement removes the statement of an earlier run, and its signatures: none may stand
// beside what this run finds. Nothing else is removed, and no link is followed.
func sweepStatement(file string) error {
	names := []string{file + ".dsse.json", file + ".sig", file}
	for n := 2; n <= maxStatementSigners; n++ {
		names = append(names, fmt.Sprintf("%s.%d.sig", file, n))
	}
	for _, name := range names {
		switch info, err := os.Lstat(name); {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return usage(fmt.Errorf("--statement: %w", err), "name another file")
		case !info.Mode().IsRegular():
			return usage(fmt.Errorf("--statement: %s is there, and is no regular file", name), "name another file")
		}
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("remove the statement of an earlier run: %w", err)
		}
	}
	return nil
}

// write writes the statement, and signs it. Of a run that was interrupted there is none.
func (s *statement) write(ctx context.Context, rep *verifyReport, verr error) error {
	if s == nil || ctx.Err() != nil {
		//lint:ignore nilerr who interrupted it has that error already
		return nil
	}
	s.Result, s.Report, s.Ended = resultWhole, rep, time.Now().UTC().Truncate(time.Second)
	if verr != nil {
		lines, _ := explain(verr)
		s.Result, s.Exit, s.Error = resultFailed, exitCode(verr), strings.Join(lines, "\n")
	}
	if rep == nil {
		s.Result = resultRefused
	} else {
		s.Sealed = rep.sealed
	}
	body, err := plainJSON(s)
	if err != nil {
		return err
	}
	if err := writeBack(s.file, body); err != nil {
		return err
	}
	for i, signer := range s.signers {
		sig, err := signer.Sign(ctx, bundle.StatementNamespace, body)
		if err != nil {
			return err
		}
		name := s.file + ".sig"
		if i > 0 {
			name = fmt.Sprintf("%s.%d.sig", s.file, i+1)
		}
		if err := writeBack(name, sig); err != nil {
			return err
		}
	}
	return s.writeEnvelope(ctx, body)
}

// writeEnvelope writes the statement as in-toto has it (in-toto.io/Statement/v1), in a DSSE envelope.
func (s *statement) writeEnvelope(ctx context.Context, body []byte) error {
	if len(s.signers) == 0 {
		return nil
	}
	sum := sha256.Sum256(body)
	subjects := []subject{{filepath.Base(s.file), map[string]string{"sha256": hex.EncodeToString(sum[:])}}}
	if s.Report != nil && s.Report.Fingerprint != "" {
		subjects = []subject{{"bundle.json", map[string]string{"sha256": string(s.Report.Fingerprint)}}}
	}
	for _, f := range s.Sealed {
		subjects = append(subjects, subject{fmt.Sprintf("%d/%s", f.Drive, f.Name), map[string]string{"sha256": f.SHA256}})
	}
	payload, err := json.Marshal(map[string]any{"_type": inTotoType, "subject": subjects, "predicateType": predicateType, "predicate": json.RawMessage(body)})
	if err != nil {
		return err
	}
	e := envelope{PayloadType: payloadType, Payload: base64.StdEncoding.EncodeToString(payload)}
	signed := fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(payloadType), payloadType, len(payload), payload)
	for _, signer := range s.signers {
		sig, err := signer.SignRaw(ctx, signed)
		if err != nil {
			return err
		}
		e.Signatures = append(e.Signatures, envelopeSignature{signer.Fingerprint(), base64.StdEncoding.EncodeToString(sig)})
	}
	out, err := plainJSON(e)
	if err != nil {
		return err
	}
	return writeBack(s.file+".dsse.json", out)
}

type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// envelope is DSSE's (github.com/secure-systems-lab/dsse, envelope.md).
type envelope struct {
	PayloadType string              `json:"payloadType"`
	Payload     string              `json:"payload"`
	Signatures  []envelopeSignature `json:"signatures"`
}

type envelopeSignature struct {
	KeyID string `json:"keyid"` // as ssh-keygen -l prints it
	Sig   string `json:"sig"`   // ed25519 of the pre-authentication encoding
}

// writeBack writes a file whole or not at all, and compares it.
func writeBack(name string, body []byte) error {
	if err := durable.Write(name, body); err != nil {
		return fmt.Errorf("write the statement: %w", err)
	}
	got, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("read the statement back: %w", err)
	}
	if !bytes.Equal(got, body) {
		return fmt.Errorf("%s was read back with other bytes than were written", name)
	}
	return nil
}
