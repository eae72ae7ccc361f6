package tui

import (
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
)

// burst types all words before any command of theirs is done, and then does these in turn.
func (s *term) burst(words string) {
	var todo []tea.Cmd
	for word := range strings.FieldsSeq(words) {
		for _, key := range keysOf(word) {
			_, cmd := s.m.Update(tea.KeyPressMsg(key))
			todo = append(todo, cmd)
		}
	}
	for len(todo) > 0 {
		cmd := todo[0]
		todo = todo[1:]
		if cmd == nil {
			continue
		}
		switch msg := cmd().(type) {
		case nil:
		case tea.BatchMsg:
			todo = append(todo, msg...)
		default:
			_, cmd := s.m.Update(msg)
			todo = append(todo, cmd)
		}
	}
}

// Keys that come at once do what they do one by one, on every screen.
func TestKeysAtOnce(t *testing.T) {
	for _, keys := range []string{
		"j j j j enter tab ] q",
		"j j j j enter K tab j J q l",
		"enter K / kernel enter n tab",
		"enter K o j j",
		"enter ] ] [ tab q q",
		"j j j p tab j ] tab",
		"j j p / enter q enter",
		"p ] ] tab p enter tab",
		"enter p tab q tab",
		"q enter j : apply enter G q j",
		": apply enter / line enter n N q l",
		": apply enter q : run enter q",
	} {
		t.Run(keys, func(t *testing.T) {
			shown := func(typed func(*term)) string {
				h := many()
				h.said = strings.Repeat("a line\nanother\n", 50)
				h.world = rfc()
				s := lobby(t, h, 80, 24, Options{})
				s.keys("enter")
				typed(s)
				if len(s.m.ahead) > 0 {
					t.Errorf("%d keys still wait", len(s.m.ahead))
				}
				return s.text()
			}
			want := shown(func(s *term) { s.types(keys) })
			if got := shown(func(s *term) { s.burst(keys) }); got != want {
				t.Errorf("at once:\n%s\none by one:\n%s", got, want)
			}
		})
	}
}

// Esc and what is typed right after it come as one key with Alt.
func TestEscAndAKeyAtOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		after tea.Key
		want  string
	}{
		"Esc":       {tea.Key{Code: tea.KeyEscape, Mod: tea.ModAlt}, "7 series"},
		"a letter":  {tea.Key{Code: 'w', Mod: tea.ModAlt}, "jobs"},
		"a big one": {tea.Key{Code: 'g', ShiftedCode: 'G', Mod: tea.ModAlt | tea.ModShift}, "9 gfs2:"},
		"Enter":     {tea.Key{Code: tea.KeyEnter, Mod: tea.ModAlt}, "prefix 0: base"},
	} {
		h := many()
		s := lobby(t, h, 80, 24, Options{})
		s.types("enter enter")
		s.send(tea.KeyPressMsg(tt.after))
		if !strings.Contains(s.text(), tt.want) {
			t.Errorf("%s:\n%s", name, s.text())
		}
	}
	s := lobby(t, many(), 80, 24, Options{})
	s.types("/ x")
	s.send(tea.KeyPressMsg(tea.Key{Code: 'b', Mod: tea.ModAlt}))
	s.has("/x")
}
