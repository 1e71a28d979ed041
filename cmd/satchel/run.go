package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/satchel-airgap/satchel/cmd/satchel/internal/cache"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/notice"
	"github.com/satchel-airgap/satchel/cmd/satchel/internal/renderer"
	"github.com/satchel-airgap/satchel/oci/text"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// memoryLimit makes the garbage collector work before memory passes 256 MiB.
const memoryLimit = 200 << 20

// app is what every command needs of the world around it.
type app struct {
	stdout, stderr io.Writer
	flags          logFlags
	file           *logFile                    // of --log-file, once it is open
	quiet          atomic.Bool                 // stderr gets warnings and errors at most
	outcome        outcome                     // for machines
	log            atomic.Pointer[slog.Logger] // nil until the flags are read
	noProgress     bool
	bar            atomic.Pointer[bar]         // drawn now, on the terminal
	args           []string                    // as typed, for the line that resumes
	cache          atomic.Pointer[cache.Cache] // that was opened last
	goOn           string                      // the line that resumes, where it is not the same again
	etc            string                      // the file of the host in the site's configuration, "" for none
	noDefaults     []string                    // flags that take nothing from the site's configuration
	fromSite       []*pflag.Flag               // those that took something
}

// run is the whole program; it returns the exit code.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == renderer.Command {
		return renderer.Serve(args[1:], version(), stdin, stdout, stderr)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
	signal.Ignore(syscall.SIGXFSZ) // a file that is too large is an error of the write
	log.SetOutput(io.Discard)      // libraries write there, text of charts among it
	return (&app{stdout: stdout, stderr: stderr, args: args, outcome: outcome{began: time.Now()}, etc: siteFile}).execute()
}

// execute runs the command that was typed.
func (a *app) execute() int {
	ctx, stop := interruptible(a)
	defer stop()
	root := newRoot(a)
	root.SetArgs(a.args)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	cmd, err := root.ExecuteContextC(ctx)
	switch {
	case errors.Is(err, errMidway):
		err = &interruptedError{command: a.resuming(cmd)}
	case errors.Is(err, errAnswer):
		err = &interruptedError{unanswered: true}
	case err != nil && ctx.Err() != nil && onlyCancelled(err):
		err = &interruptedError{command: a.resuming(cmd)}
	}
	return a.end(cmd, err)
}

// end says what went wrong, and what was done to machines that want to know, and gives the
// exit code.
func (a *app) end(cmd *cobra.Command, err error) int {
	code := exitOK
	if err != nil {
		a.report(err)
		code = exitCode(err)
	}
	if oerr := a.printOutcome(cmd, err, code); oerr != nil {
		a.report(oerr)
		if code == exitOK {
			code = exitCode(oerr)
		}
	}
	a.closeLog(code)
	return code
}

// onlyCancelled reports whether nothing but the interruption is in the error: what
// failed in addition must not be hidden.
func onlyCancelled(err error) bool {
	//lint:ignore errorlint it takes the error apart itself
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		for _, sub := range e.Unwrap() {
			if !onlyCancelled(sub) {
				return false
			}
		}
		return true
	case interface{ Unwrap() error }:
		return errors.Is(err, context.Canceled) && onlyCancelled(e.Unwrap())
	}
	//lint:ignore errorlint it is unwrapped
	return err == context.Canceled
}

// interruptedError says that the user stopped the run.
type interruptedError struct {
	command    string // the line that resumes, if one does
	unanswered bool   // it was stopped at a question, and those come before the work
}

func (e *interruptedError) Error() string {
	if e.unanswered {
		return "interrupted at a question, before anything was begun"
	}
	if e.command == "" {
		return "interrupted"
	}
	return "interrupted; everything so far is saved"
}

func (e *interruptedError) Hint() string {
	switch {
	case e.unanswered:
		return "run the same command again, and answer"
	case e.command == "":
		return ""
	}
	return "resume with: " + e.command
}

// report writes an error: one line for each thing that went wrong, then hints.
// As JSON, the last line carries the hints and the exit code.
func (a *app) report(err error) {
	if log, _ := a.newLogger(); log != nil {
		a.log.Store(log) // a flag that cannot be read may stand after --log-format
	}
	lines, hints := a.explain(err)
	asJSON := a.flags.format == formatJSON
	for i, line := range lines {
		if asJSON && i == len(lines)-1 {
			a.logger().Error(line, "hints", hints, "exit", exitCode(err))
		} else {
			a.logger().Error(line)
		}
	}
	for _, h := range hints {
		if asJSON {
			continue // the line has them
		}
		fmt.Fprintln(a.stderr, "hint: "+text.Printable(h))
		if a.file != nil {
			a.file.hint(h)
		}
	}
}

// bounce is how soon after the first signal another one is no second thought.
const bounce = 50 * time.Millisecond

// interruptible gives a context that the first Ctrl-C ends; the second ends the process.
func interruptible(a *app) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var first time.Time
	var ending atomic.Bool // the process ends as the first signal asked
	go func() {
		for range signals {
			switch {
			case ending.Load():
				continue
			case first.IsZero():
				first = time.Now()
			case time.Since(first) < bounce:
				continue // the same stop twice: for the process and for its group
			default:
				if c := a.cache.Load(); c != nil {
					_ = c.Close() // nothing else removes what it stored for this run alone
				}
				os.Exit(exitInterrupted)
			}
			a.warn("stopping; press Ctrl-C again to stop immediately")
			cancel()
		}
	}()
	return ctx, func() {
		if ctx.Err() != nil {
			ending.Store(true) // to stop or to ignore signals leaves a moment in which one kills
			return
		}
		signal.Stop(signals)
		close(signals)
		cancel()
	}
}

// newLogger makes the logger that the flags ask for.
func (a *app) newLogger() (*slog.Logger, error) {
	h, err := newHandler(a.flags, a.stderr)
	if err != nil {
		return nil, err
	}
	a.quiet.Store(!h.Enabled(context.Background(), slog.LevelInfo))
	h = aboveBar{h, a}
	if a.flags.file != "" && a.file == nil {
		a.file, err = openLogFile(a.flags.file, a.flags.format == formatJSON, a.args)
	}
	if a.file != nil {
		h = bothHandler{h, a.file.handler()}
	}
	return slog.New(h), err
}

// closeLog ends the log file.
func (a *app) closeLog(code int) {
	if a.file == nil {
		return
	}
	slog.New(a.file.handler()).Info(fmt.Sprintf("the exit status is %d", code))
	err := a.file.close()
	if a.file = nil; err != nil {
		slog.New(newTextHandler(a.stderr, slog.LevelInfo)).Warn(fmt.Sprintf("the log in %s is not whole: %v", a.flags.file, err))
	}
}

// aboveBar prints lines above the bar that is drawn now.
type aboveBar struct {
	slog.Handler
	a *app
}

func (h aboveBar) Handle(ctx context.Context, r slog.Record) error {
	if bar := h.a.bar.Load(); bar != nil {
		return bar.above(func() error { return h.Handler.Handle(ctx, r) })
	}
	return h.Handler.Handle(ctx, r)
}

// logger is the one that the flags ask for, once they are read.
func (a *app) logger() *slog.Logger {
	if log := a.log.Load(); log != nil {
		return log
	}
	return slog.New(aboveBar{newTextHandler(a.stderr, slog.LevelInfo), a})
}

// notices is where jobs report to.
func (a *app) notices() notice.To { return notice.To{Log: a.logger(), Reporter: a} }

func (a *app) debug(format string, args ...any) { a.notices().Debug(format, args...) }
func (a *app) info(format string, args ...any)  { a.notices().Info(format, args...) }
func (a *app) warn(format string, args ...any)  { a.notices().Warn(format, args...) }

// openCache gives the cache of manifests and other small content. A run can do without.
func (a *app) openCache() *cache.Cache {
	a.warnOfTemp()
	dir, err := xdg("XDG_CACHE_HOME", ".cache")
	if err != nil {
		a.warn("no cache: %v; content will be fetched again next time", err)
	} else {
		dir = filepath.Join(dir, "content")
	}
	c := cache.Optional(dir, os.TempDir(), func(err error) {
		a.warn("the cache in %s cannot be used; content will be fetched again next time: %v", dir, err)
	})
	a.cache.Store(c)
	return c
}

// resuming is the line that resumes this run, if one does.
func (a *app) resuming(cmd *cobra.Command) string {
	switch cmd.Name() {
	case "plan", "pack", "copy", "missing", "unpack", "rekey", "repair", "parity":
		return cmp.Or(a.goOn, a.command())
	}
	return ""
}

// command is the line that resumes this run: --restart would start again.
func (a *app) command() string {
	words := []string{"satchel"}
	for _, arg := range a.args {
		if arg != "--restart" && !strings.HasPrefix(arg, "--restart=") {
			words = append(words, arg)
		}
	}
	return shellWords(words)
}

// commandOn is this run on other directories than those that were named.
func (a *app) commandOn(named, dirs []string) string {
	words := slices.Clone(a.args)
	for _, dir := range named {
		for i := len(words) - 1; i > 0; i-- { // the first is the command
			if words[i] == dir {
				words = slices.Delete(words, i, i+1)
				break
			}
		}
	}
	return shellWords(slices.Concat([]string{"satchel"}, words, dirs))
}

// commandWith is this run with more flags, and without one that has a value.
func (a *app) commandWith(more []string, without string) string {
	words := []string{"satchel"}
	for i := 0; i < len(a.args); i++ {
		switch arg := a.args[i]; {
		case arg == without:
			i++
		case !strings.HasPrefix(arg, without+"="):
			words = append(words, arg)
		}
	}
	return shellWords(append(words, more...))
}

// xdg gives a base directory of the XDG specification with satchel's part.
func xdg(variable, fallback string) (string, error) {
	base := os.Getenv(variable)
	if base == "" || !filepath.IsAbs(base) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("find the home directory (or set %s): %w", variable, err)
		}
		base = filepath.Join(home, fallback)
	}
	return filepath.Join(base, "satchel"), nil
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "satchel",
		Short: "Carry container images across an air gap on removable media",
		Long: `satchel carries container images across an air gap on removable media. On a host
with internet, pack writes an encrypted bundle to a drive. Inside, unpack pushes
it into the mirror registry. Either can be interrupted anywhere and run again.

` + exitHelp,
		Version:                    version(),
		SilenceErrors:              true,
		SilenceUsage:               true,
		Args:                       unknownCommand,
		SuggestionsMinimumDistance: 2,
		RunE:                       func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) (err error) {
		log, err := a.newLogger()
		if err != nil {
			return err
		}
		a.log.Store(log)
		switch cmd.Name() {
		case "plan", "pack", "copy", "missing", "unpack", "render", "rekey", "keygen":
			return a.checkLimits(processLimit, true)
		case "verify", "list", "inspect", "confirm":
			return a.checkLimits(processLimit, false)
		}
		return nil
	}
	root.PersistentFlags().BoolVarP(&a.flags.quiet, "quiet", "q", false, "print errors only")
	root.PersistentFlags().StringVar(&a.flags.level, "log-level", "info", "`LEVEL` of what is logged on stderr: debug, info, warn or error")
	root.PersistentFlags().StringVar(&a.flags.format, "log-format", "text", "`FORM` of log lines: text or json")
	root.PersistentFlags().Var(givenValue{&a.flags.file, "FILE"}, "log-file", "`FILE` that the run's log is added to, mode 0600: lines of every level with their times, in the form of --log-format")
	root.PersistentFlags().BoolVar(&a.noProgress, "no-progress", false, "print no progress")
	root.PersistentFlags().Var(&namesValue{list: &a.noDefaults}, noDefault, "do not take from the site's configuration what it says of `FLAG`; all: of any flag (may be given more than once)")
	root.SetFlagErrorFunc(wrongFlag)
	root.AddCommand(newKeygen(a), newPlan(a), newPack(a), newVerify(a), newCopy(a), newMissing(a), newList(a), newInspect(a), newUnpack(a), newRender(a), newServe(a), newDiff(a), newCheck(a), newParity(a), newRepair(a), newRekey(a), newSign(a), newReceipt(a), newPrune(a), newPullSecret(a), newConfirm(a), newConvert(a), newVersion(a))
	root.AddCommand(newAvailable(a), newInit(a), newClusterQuery(a), newConfig(a))
	for _, cmd := range root.Commands() {
		if cmd.Long == "" {
			cmd.Long = cmd.Short + "."
		}
		cmd.Long += "\n\nExit status: see satchel --help."
	}
	addHelp(root, a.stdout)
	for _, cmd := range configurable(root) {
		a.withSite(cmd)
	}
	return root
}

// exactly is cobra.ExactArgs with errors of our own. What it lets through are directories.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := checkCount(cmd, args, n, what); err != nil {
			return err
		}
		if err := checkOutDir(cmd); err != nil {
			return err
		}
		for i, arg := range args {
			args[i] = typedPath(arg)
			if err := checkDirectory(cmd, args[i]); err != nil {
				return err
			}
		}
		return nil
	}
}

// checkOutDir refuses an empty --output-dir.
func checkOutDir(cmd *cobra.Command) error {
	if f := cmd.Flags().Lookup("output-dir"); f != nil && f.Changed && f.Value.String() == "" {
		return usage(errors.New("--output-dir is empty"), "name a directory; in a script, the variable for it may not be set")
	}
	return nil
}
