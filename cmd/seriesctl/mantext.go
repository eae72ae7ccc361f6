package main

// What the manual pages say beside what the commands and screens say of themselves.

const theWords = `Its screens and their keys are in seriesctl-tui(1).

A series is the patches of one posting with its cover letter and replies. Prefix k is the base with patches 1 to k;
prefix 0 is the base with its prerequisites. A case is one reproducer with its arguments on one file system, named like gfs2/read-self. A cell is a
case on a prefix, and a run is one execution of it, from a fresh state of the virtual machine.

Where a command takes [SERIES] and none is named it takes that of --series, else the one that was loaded last. The start of
its name will do; ` + "`seriesctl list`" + ` shows the names.`

type manSection struct {
	title string
	items [][2]string
	text  string
}

// theRest is what holds for all commands.
var theRest = []manSection{
	{title: "EXIT STATUS", items: [][2]string{
		{"0", "Done, and nothing bad was found."},
		{"1", "Done, and something is wrong with the series: a conflict, a build that fails, a regression."},
		{"2", "Wrong usage or bad input."},
		{"3", "The lab failed: QEMU, a full disk, a program that is missing. It says nothing about the series."},
		{"130", "Interrupted. Nothing that was finished is lost; the same command resumes."},
	}, text: "`seriesctl shell` has that of what ran in the shell."},
	{title: "ENVIRONMENT", items: [][2]string{
		{"SERIESCTL_LORE", "The mail archive that `load` reads threads from, a public-inbox server. --lore goes before it."},
		{"VISUAL, EDITOR", "The editor in which the TUI opens a copy of what it shows."},
		{"PAGER", "What the TUI pipes a text to when no command is given. less when it is not set."},
		{"NO_COLOR", "When not empty, no colours unless --color=always asks for them."},
		{"TERM", "The kind of the terminal. On a dumb one there are no colours and no TUI."},
	}},
	{title: "FILES", items: [][2]string{
		{".seriesctl", "The workspace, in the current directory or the nearest one above: mail, results, kernels, logs. " +
			"All of it can be made again but the mail, and resolutions and answers of yours. Only `load` makes one; one that can only be read, as another user's, list, show, report and log read. The kernel source is never written to."},
		{".seriesctl/seriesctl.db", "What is known: series, runs, plans, as SQLite."},
		{".seriesctl/logs", "Logs of builds and boots, and the console of every run."},
		{".seriesctl/images", "The kernels, with their configurations."},
		{".seriesctl/commands", "Output of the last commands that were started from the TUI."},
		{"testplan.yaml", "The plan, when the current directory has one: what to build and which cases to run."},
	}},
}

const theExample = `From a thread to the matrix of what its patches do:

  seriesctl load thread.mbox
  seriesctl plan new
  seriesctl run --source ~/linux --base v6.12
  seriesctl

Two cases only, on the base and the whole series, and what one of them printed:

  seriesctl run --prefixes 0,9 --cases 'gfs2/cross-*'
  seriesctl log 0 gfs2/cross-read

The answer to the list:

  seriesctl report --format markdown`

const theScreens = "On a terminal `seriesctl` without a command shows the workspace. With one series in it that is its matrix, patches down and " +
	`cases across; with more, or none, the list of them. Screens lie on each other: Enter opens what is under the cursor, q and Esc go back.

The matrix is live while a run goes on, whoever started it. The last line names the most important keys, and ? all of the screen.
The mouse moves the cursor, a double click opens, the wheel scrolls; with Shift the terminal selects text as ever.

It wants 30 columns and 8 lines at least. --ascii draws with ASCII only. NO_COLOR or --color=never has no colours: all is said in words first.`

// ofScreen is what each screen shows.
var ofScreen = map[string]string{
	"Series": "The series of the workspace with their revisions, and how far each is.",
	"Matrix": "What each patch does to each case.",
	"Cell":   "The runs of a case on a prefix: what decided the outcome, stacks, report, output, what changed, how to do it by hand, console.",
	"Patch":  "A patch or the cover letter: message and diff, the thread, what it needs of the patches before it, its build, what it does to each case.",
	"Subset": "Some of the patches: whether they apply without the others, what they need, and what they do.",
	"Bisect": "A case along the prefixes, and how probable it is that each patch changes it.",
	"Output": "What a command printed that was started with :.",
	"Jobs":   "What runs: builds, virtual machines, commands.",
}
