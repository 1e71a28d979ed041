package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Tags of packets (RFC 4880, 4.3).
const (
	tagSignature  = 2
	tagOnePass    = 4
	tagCompressed = 8
	tagLiteral    = 11
)

// takeApart gives the body of a signed message, whole, and its signature packet.
// The message has the one form that releases have (RFC 4880, 11.3): one-pass
// signature, literal data, signature, and nothing else, perhaps compressed as one.
func takeApart(message []byte) (body []byte, sig *packet.OpaquePacket, err error) {
	list, err := packets(bytes.NewReader(message))
	if err != nil {
		return nil, nil, malformed("it is not an OpenPGP message", err)
	}
	if len(list) == 1 && list[0].Tag == tagCompressed {
		parsed, err := list[0].Parse()
		if err != nil {
			return nil, nil, malformed("it cannot be decompressed", err)
		}
		inner, ok := parsed.(*packet.Compressed)
		if !ok {
			return nil, nil, malformed("it cannot be decompressed", nil)
		}
		if list, err = packets(inner.Body); err != nil {
			return nil, nil, malformed("it is not an OpenPGP message", err)
		}
	}
	if len(list) != 3 || list[0].Tag != tagOnePass || list[1].Tag != tagLiteral || list[2].Tag != tagSignature {
		return nil, nil, malformed("it is not a message with one signature", nil)
	}
	body, err = literal(list[1].Contents)
	return body, list[2], err
}

// packets reads packets to the end, of MaxMessage bytes together at most.
func packets(r io.Reader) (list []*packet.OpaquePacket, err error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxMessage+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxMessage {
		return nil, fmt.Errorf("it has more than %d bytes", MaxMessage)
	}
	for in := packet.NewOpaqueReader(bytes.NewReader(data)); ; {
		p, err := in.Next()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, err
		}
		if list = append(list, p); len(list) > 3 {
			return nil, errors.New("it has more packets than a signed message")
		}
	}
}

// literal gives the body of a literal data packet (RFC 4880, 5.9): format, length
// of a file name, file name, date, and then the body.
func literal(b []byte) ([]byte, error) {
	if len(b) < 2 || len(b) < 2+int(b[1])+4 {
		return nil, malformed("its body is cut off", nil)
	}
	return b[2+int(b[1])+4:], nil
}
