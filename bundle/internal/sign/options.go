package sign

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// options are what a line of allowed signers says besides who and which key.
type options struct {
	namespaces    *list // nil: all
	after, before time.Time
}

// cutOptions cuts off the options: they end at a space that is not between quotes.
func cutOptions(s string) (opts, rest string, err error) {
	inQuotes := false
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			i++
		case s[i] == '"':
			inQuotes = !inQuotes
		case !inQuotes && strings.IndexByte(white, s[i]) >= 0:
			return s[:i], strings.TrimLeft(s[i:], white), nil
		}
	}
	if inQuotes {
		return "", "", fmt.Errorf("the options %s have no closing quote", quoted(s))
	}
	return "", "", fmt.Errorf("%s is no key, and no key follows it", quoted(s))
}

// parseOptions reads NAME="VALUE"[,NAME="VALUE"...].
func parseOptions(s string) (o options, err error) {
	for {
		name, rest, valued := cutName(s)
		switch lower := strings.ToLower(name); {
		case lower == "cert-authority":
			return o, errors.New("the option cert-authority is not supported: name the keys of those who sign")
		case lower != "namespaces" && lower != "valid-after" && lower != "valid-before":
			return o, fmt.Errorf("the option %s is not known", quoted(name))
		case !valued:
			return o, fmt.Errorf("the option %s has no value", name)
		}
		value, rest, err := cutValue(name, rest)
		if err == nil {
			err = o.set(strings.ToLower(name), value)
		}
		if err != nil {
			return o, err
		}
		if rest == "" {
			break
		}
		if s = rest[1:]; rest[0] != ',' || s == "" {
			return o, fmt.Errorf("a comma and another option are expected where %s is", quoted(rest))
		}
	}
	if !o.after.IsZero() && !o.before.IsZero() && !o.before.After(o.after) {
		return o, errors.New("valid-before is not later than valid-after")
	}
	return o, nil
}

func cutName(s string) (name, rest string, valued bool) {
	i := strings.IndexAny(s, "=,")
	if i < 0 || s[i] == ',' {
		name, _, _ = strings.Cut(s, ",")
		return name, "", false
	}
	return s[:i], s[i+1:], true
}

// cutValue reads a value in double quotes, in which \" is a quote.
func cutValue(name, s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		return "", "", fmt.Errorf("the value of %s must stand in double quotes", name)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && i+1 < len(s) && s[i+1] == '"':
			b.WriteByte('"')
			i++
		case s[i] == '"':
			return b.String(), s[i+1:], nil
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("the value of %s has no closing quote", name)
}

func (o *options) set(name, value string) error {
	if name == "namespaces" {
		l, ok := parseList(value)
		if !ok {
			return fmt.Errorf("namespaces %s: they are a list like satchel-bundle,satchel-receipt", quoted(value))
		}
		if o.namespaces != nil {
			return errors.New("namespaces stands there twice")
		}
		o.namespaces = &l
		return nil
	}
	at, err := parseTime(value)
	if err != nil {
		return fmt.Errorf("%s %s: %w", name, quoted(value), err)
	}
	to := &o.after
	if name == "valid-before" {
		to = &o.before
	}
	if !to.IsZero() {
		return fmt.Errorf("%s stands there twice", name)
	}
	*to = at
	return nil
}

// parseTime reads a date or time, of this host's time zone unless a Z ends it.
func parseTime(s string) (time.Time, error) {
	zone := time.Local
	digits, utc := strings.CutSuffix(s, "Z")
	if utc {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(digits) != len(layout) {
			continue
		}
		if at, err := time.ParseInLocation(layout, digits, zone); err == nil && at.Unix() > 0 { // ssh-keygen has no time before 1970, and 0 means none
			return at, nil
		}
	}
	return time.Time{}, errors.New("a time is written YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, with a Z behind it for UTC")
}
