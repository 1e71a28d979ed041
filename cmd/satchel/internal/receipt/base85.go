package receipt

import "encoding/binary"

// alphabet is that of RFC 1924. It needs no escapes in JSON, and base64.b85decode of
// Python reads it. Base64 would make a digest 43 characters instead of 40.
const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

// toBase85 writes each four bytes as five characters; n bytes at the end, fewer than
// four, as n+1.
func toBase85(b []byte) string {
	out := make([]byte, 0, len(b)/4*5+5)
	for len(b) > 0 {
		var four [4]byte
		n := copy(four[:], b)
		b = b[n:]
		var five [5]byte
		for i, v := 4, binary.BigEndian.Uint32(four[:]); i >= 0; i, v = i-1, v/85 {
			five[i] = alphabet[v%85]
		}
		out = append(out, five[:n+1]...)
	}
	return string(out)
}

// fromBase85 reads what toBase85 writes. What it takes besides, encodes to something else.
func fromBase85(s string) ([]byte, bool) {
	var values [256]uint64 // one more than the value; 0 for what is not in the alphabet
	for i := range len(alphabet) {
		values[alphabet[i]] = uint64(i) + 1
	}
	out := make([]byte, 0, len(s)/5*4+4)
	for len(s) > 0 {
		five := [5]byte{'~', '~', '~', '~', '~'}
		n := copy(five[:], s)
		s = s[n:]
		var v uint64
		for _, c := range five {
			if values[c] == 0 {
				return nil, false
			}
			v = v*85 + values[c] - 1
		}
		if v > 1<<32-1 || n == 1 {
			return nil, false
		}
		out = append(out, binary.BigEndian.AppendUint32(nil, uint32(v))[:n-1]...)
	}
	return out, true
}
