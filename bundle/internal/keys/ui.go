package keys

import (
	"fmt"
	"strings"

	"filippo.io/age/plugin"
)

// UI is how a person is asked; all of its functions are set. A nil *UI stands
// for nobody: what must be asked for fails with [ErrNoTerminal].
type UI struct {
	// Ask reads a line. What is typed is not shown if it is secret.
	Ask func(prompt string, secret bool) (string, error)
	// Confirm lets choose between yes and no; an empty no leaves no choice.
	Confirm func(prompt, yes, no string) (bool, error)
	// Notify shows a message; it may be called concurrently.
	Notify func(message string)
}

func (u *UI) ask(prompt string, secret bool) (string, error) {
	if u == nil {
		return "", ErrNoTerminal
	}
	return u.Ask(prompt, secret)
}

func (u *UI) show(format string, args ...any) {
	if u != nil {
		u.Notify(fmt.Sprintf(format, args...))
	}
}

// plugin wires a plugin's questions. age reports a failure to the plugin alone,
// so it is reported here too.
func (u *UI) plugin() *plugin.ClientUI {
	if u == nil {
		return &plugin.ClientUI{}
	}
	return &plugin.ClientUI{
		DisplayMessage: func(name, message string) error {
			u.show("age-plugin-%s: %s", name, message)
			return nil
		},
		RequestValue: func(name, prompt string, secret bool) (string, error) {
			s, err := u.Ask("age-plugin-"+name+": "+strings.TrimRight(prompt, ": ")+": ", secret)
			if err != nil {
				u.show("age-plugin-%s asked for something: %v", name, err)
			}
			return s, err
		},
		Confirm: func(name, prompt, yes, no string) (bool, error) {
			ok, err := u.Confirm("age-plugin-"+name+": "+prompt, yes, no)
			if err != nil {
				u.show("age-plugin-%s asked for something: %v", name, err)
			}
			return ok, err
		},
		WaitTimer: func(name string) {
			u.show("waiting for age-plugin-%s; touch its key if it asks for that", name)
		},
	}
}
