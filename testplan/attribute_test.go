package testplan

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var letters = map[byte]Judgement{
	'.': {Outcome: Pass},
	'B': {Outcome: Crash, Signature: "kernel BUG in gfs2_glock_nq"},
	'E': {Outcome: Fail, Signature: "read EFAULT"},
	'D': {Outcome: Deadlock, Signature: "gfs2_page_mkwrite"},
	'i': {Outcome: Infra, Signature: "qemu"},
}

// columns makes a matrix of one case "c": a word per prefix with a letter per run; "-" is a prefix without image, "="
// has the image of the one before, "~N" that of prefix N.
func columns(text string) []Column {
	var out []Column
	for i, word := range strings.Fields(text) {
		c := Column{Prefix: i, Image: fmt.Sprint("image", i)}
		var from int
		switch n, _ := fmt.Sscanf(word, "~%d", &from); {
		case n == 1:
			c.Image = fmt.Sprint("image", from)
		case word == "-":
			c.Image = ""
		case word == "=":
			c.Image = out[i-1].Image
		default:
			var runs []Judgement
			for j := range len(word) {
				runs = append(runs, letters[word[j]])
			}
			c.Runs = map[string][]Judgement{"c": runs}
		}
		out = append(out, c)
	}
	return out
}

func show(as []Attribution) string {
	var out []string
	for _, a := range as {
		s := fmt.Sprintf("%d %s", a.Patch, a.Effect)
		if a.First != 0 {
			s = fmt.Sprintf("%d-%s", a.First, s)
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

func TestAttribute(t *testing.T) {
	for name, tc := range map[string]struct {
		matrix string
		want   string
		least  float64 // of each probability
	}{
		"nothing bad":                          {". . . . .", "", 0},
		"always bad":                           {"B B B B B", "", 0},
		"one prefix":                           {"B", "", 0},
		"no prefix":                            {"", "", 0},
		"fix":                                  {"B B B BB .. . . .", "4 fixes", 0.95},
		"regression":                           {". . .. BB B B", "3 regresses", 0.95},
		"symptom":                              {"B B B BB EE E E E E", "4 changes-symptom", 0.95},
		"the RFC":                              {"B B B BB EE E E E EE ..", "4 changes-symptom, 9 fixes", 0.95},
		"three symptoms":                       {"B B B BB EE E E E EE DDDD", "4 changes-symptom, 9 changes-symptom", 0.9},
		"fix and break again":                  {"BB .. .. BB BB", "1 fixes, 3 regresses", 0.9},
		"refix":                                {"... BBB BBB ... ...", "1 regresses, 3 fixes", 0.9},
		"last patch, confirmed":                {"B B B BB ..", "4 fixes", 0.9},
		"first patch":                          {"BB .. . .", "1 fixes", 0.95},
		"unbuildable between":                  {"B BB - .. . .", "2-3 undetermined", 0.95},
		"two unbuildable":                      {"B BB - - .. . .", "2-4 undetermined", 0.95},
		"unbuildable elsewhere":                {"B - BB .. - .", "3 fixes", 0.95},
		"all unbuildable after":                {"B B - - -", "", 0},
		"same image":                           {"B B = = .. .", "4 fixes", 0.9},
		"same image lends its runs":            {"BB = .. = =", "2 fixes", 0.9},
		"revert":                               {"BB .. ~0 .. ~3", "1 fixes, 2 regresses, 3 fixes", 0.88},
		"infra is no evidence":                 {"BB iB i ii .. .", "2-4 undetermined", 0.95},
		"infra alone":                          {"B B i i i", "", 0},
		"one flake in many":                    {".... .... .B.. .... ....", "", 0},
		"flaky throughout":                     {"B.B. .B.. BB.. .B.B ...B", "", 0},
		"rarer is not fixed":                   {"BBBBB BBBBB B......... ....B..... ........B.", "", 0},
		"flaky, fixed":                         {"B.BB.BB.B. BB.B.BBB.B .......... ..........", "2 fixes", 0.95},
		"always, then a flaky symptom":         {"BBB BBB EE.E EE.E .EEE", "2 changes-symptom", 0.95},
		"two symptoms of one race":             {"BDBD DBDB BBDD DDBB", "", 0},
		"a fix nobody has confirmed":           {"BBBB B B .", "3-3 undetermined", 0.9},
		"a low rate and too few passes":        {"B... ..B. .... ....", "", 0},
		"one symptom, then another, by chance": {"BD BB BB DD DD DB", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := Attribute(columns(tc.matrix), []Case{{Name: "c"}}, Question{})
			if show(got) != tc.want {
				t.Errorf("got %+v, want %s", got, tc.want)
			}
			for _, a := range got {
				if a.Probability < tc.least || a.Probability > 1 {
					t.Errorf("probability %.4f of %+v, want at least %.2f", a.Probability, a, tc.least)
				}
			}
		})
	}
}

func TestAttributeSaysWhat(t *testing.T) {
	got := Attribute(columns("BBB EE EE .. .."), []Case{{Name: "other"}, {Name: "c"}}, Question{})
	for i := range got {
		got[i].Probability, got[i].Kind = 0, ""
	}
	want := []Attribution{
		{Case: "c", Patch: 1, Effect: ChangesSymptom, Before: "crash kernel BUG in gfs2_glock_nq", After: "fail read EFAULT"},
		{Case: "c", Patch: 3, Effect: Fixes, Before: "fail read EFAULT", After: "pass"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestExamineSaysWhereStatesBegin(t *testing.T) {
	for text, want := range map[string][]int{
		"BB BB BB BB":          nil,
		"BB BB EE EE .. ..":    {2, 4},
		"BB BB - EE EE .. = .": {3, 5},
		"BB .. ~0 ..":          {1, 2, 3},
	} {
		var got []int
		for i, begins := range Examine(columns(text), Case{Name: "c"}, Question{}).Begins {
			if begins {
				got = append(got, i)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", text, got, want)
		}
	}
}

func TestAttributeExpected(t *testing.T) {
	e, err := ParseExpect("fail EFAULT")
	if err != nil {
		t.Fatal(err)
	}
	got := Attribute(columns("BB BB EE EE .. .."), []Case{{Name: "c", Expect: e}}, Question{})
	if show(got) != "2 fixes, 4 regresses" || got[0].After != "fail EFAULT" || got[1].Before != "fail EFAULT" || got[1].After != "pass" {
		t.Errorf("got %+v", got)
	}
}

func TestAttributeChosenPrefixes(t *testing.T) {
	m := columns("BB BB .. ..")
	for i, prefix := range []int{0, 4, 5, 9} {
		m[i].Prefix = prefix
	}
	if got := show(Attribute(m, []Case{{Name: "c"}}, Question{})); got != "5 fixes" {
		t.Errorf("got %s", got)
	}
	for i, prefix := range []int{0, 2, 5, 9} {
		m[i].Prefix = prefix
	}
	if got := show(Attribute(m, []Case{{Name: "c"}}, Question{})); got != "3-5 undetermined" {
		t.Errorf("got %s", got)
	}
}

// TestPosteriorIsExact compares with the sum over all paths, each written out.
func TestPosteriorIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 150 {
		n := 2 + rng.IntN(3)
		var words []string
		for i := range n {
			switch {
			case rng.IntN(6) == 0:
				words = append(words, "-")
			case i > 0 && rng.IntN(6) == 0 && words[0] != "-" && words[0][0] != '~':
				words = append(words, "~0")
			default:
				w := ""
				for range 1 + rng.IntN(3) {
					w += string("..BED"[rng.IntN(5)])
				}
				words = append(words, w)
			}
		}
		text := strings.Join(words, " ")
		e := gather(columns(text), Case{Name: "c"}, Question{})
		if len(e.counts) < 2 {
			continue
		}
		// Three manners are enough to try.
		e.manners = []manner{{0.5, 0.99, 0.1, false}, {0.3, 0.4, 0.1, true}, {0.2, 0.1, 0.3, true}}
		got, want := e.posterior().change, enumerate(e)
		for i := 1; i < len(e.counts); i++ {
			for a := range e.states {
				for b := range e.states {
					if math.Abs(got[i][a][b]-want[i][a][b]) > 1e-9 {
						t.Fatalf("%s: boundary %d, %s to %s: got %g, want %g", text, i, e.states[a], e.states[b], got[i][a][b], want[i][a][b])
					}
				}
			}
		}
	}
}

// among is the probability of a manner among those of the kind of another one.
func (e *evidence) among(m, other int) float64 {
	all := 0.0
	for _, x := range e.manners {
		if x.flaky == e.manners[other].flaky {
			all += x.weight
		}
	}
	if e.manners[m].flaky != e.manners[other].flaky {
		return 0
	}
	return e.manners[m].weight / all
}

// enumerate is the posterior by brute force.
func enumerate(e *evidence) [][][]float64 {
	n, s := len(e.counts), len(e.states)
	sum := make([][][]float64, n)
	for i := range sum {
		sum[i] = make([][]float64, s)
		for a := range sum[i] {
			sum[i][a] = make([]float64, s)
		}
	}
	total := 0.0
	step, keep := steps(s)
	// A path is the state and the manner of each kernel, and where it changes.
	type place struct {
		state, manner int
		changed       bool
	}
	var walk func(path []place, changes int, w float64)
	walk = func(path []place, changes int, w float64) {
		if w == 0 || changes > maxChanges {
			return
		}
		k := len(path)
		if k > 0 {
			at := path[k-1]
			for x, n := range e.counts[k-1] {
				w *= math.Pow(e.manners[at.manner].shows(at.state, s)[x], float64(n))
			}
		}
		if k == n {
			for _, tie := range e.tied {
				for _, k := range tie[1:] {
					if path[k].state != path[tie[0]].state {
						return
					}
				}
			}
			places := 1.0
			for t := range changes {
				places = places * float64(n-1-t) / float64(t+1)
			}
			w *= e.changes[changes] / places
			total += w
			for i := 1; i < n; i++ {
				if path[i].changed {
					sum[i][path[i-1].state][path[i].state] += w
				}
			}
			return
		}
		for state := range s {
			for m, manner := range e.manners {
				next := append(slices.Clone(path), place{state, m, k > 0})
				if k == 0 {
					first := goodFirst
					if state != 0 {
						first = (1 - goodFirst) / float64(s-1)
					}
					walk(next, 0, first*manner.weight)
					continue
				}
				from := path[k-1]
				kept := map[bool]float64{true: 1}[from.manner == m]
				walk(next, changes+1, w*step[from.state][state]*(keep[from.state][state]*kept+(1-keep[from.state][state])*e.among(m, from.manner)))
				if from.state == state && kept == 1 {
					walk(append(slices.Clone(path), place{state, m, false}), changes, w)
				}
			}
		}
	}
	walk(nil, 0, 1)
	for i := range sum {
		for a := range sum[i] {
			for b := range sum[i][a] {
				sum[i][a][b] /= total
			}
		}
	}
	return sum
}

// TestAttributeFindsPlantedChanges plants truths in matrices of 10 prefixes and counts how often the answer is right.
func TestAttributeFindsPlantedChanges(t *testing.T) {
	type change struct {
		patch  int
		effect Effect
	}
	kinds := []struct {
		name   string
		states []byte // of the stretches
	}{
		{"nothing, good", []byte{'.'}},
		{"nothing, bad", []byte{'B'}},
		{"fix", []byte{'B', '.'}},
		{"regression", []byte{'.', 'B'}},
		{"symptom", []byte{'B', 'E'}},
		{"symptom, then fix", []byte{'B', 'E', '.'}},
		{"regression, refix", []byte{'.', 'B', '.'}},
	}
	for _, tc := range []struct {
		rate    float64
		runs    int
		exact   float64 // least share of exact answers
		culprit float64 // most share of answers that name a wrong patch
	}{
		// The runs are fixed here and no one asks for more: what is not exact is undetermined. The shares are what this
		// seed gives, less a point or two. Flaky cases were 0.78 and 0.73 exact before a claim about a case that was seen to be flaky
		// needed evidence against chance, and 0.76, 0.70 and 0.51 before each further change did: the price of naming fewer wrong patches. A strategy
		// gets that evidence by more runs.
		{1, 2, 0.90, 0.005},
		{1, 1, 0.53, 0.005},
		{0.5, 10, 0.68, 0.005},
		{0.2, 25, 0.62, 0.01},
		{0.05, 60, 0.45, 0.035},
	} {
		rng := rand.New(rand.NewPCG(3, 4))
		const trials = 350
		exact, wrong, claims, sum := 0, 0, 0, 0.0
		for trial := range trials {
			kind := kinds[trial%len(kinds)]
			starts := rng.Perm(9)[:len(kind.states)-1]
			slices.Sort(starts)
			var want []change
			for i, s := range starts {
				starts[i] = s + 1
				c := change{s + 1, ChangesSymptom}
				if kind.states[i+1] == '.' {
					c.effect = Fixes
				} else if kind.states[i] == '.' {
					c.effect = Regresses
				}
				want = append(want, c)
			}
			m := make([]Column, 10)
			for p := range m {
				stretch, _ := slices.BinarySearch(starts, p+1)
				var runs []Judgement
				for range tc.runs {
					j := letters[kind.states[stretch]]
					if kind.states[stretch] != '.' && rng.Float64() >= tc.rate {
						j = letters['.']
					}
					if rng.Float64() < 0.05 {
						j = letters['i']
					}
					runs = append(runs, j)
				}
				m[p] = Column{Prefix: p, Image: fmt.Sprint(p), Runs: map[string][]Judgement{"c": runs}}
			}
			var got []change
			bad := false
			for _, a := range Attribute(m, []Case{{Name: "c"}}, Question{}) {
				c := change{a.Patch, a.Effect}
				got = append(got, c)
				if a.Effect == Undetermined {
					continue
				}
				claims++
				sum += a.Probability
				if !slices.Contains(want, c) {
					bad = true
				}
			}
			if slices.Equal(got, want) {
				exact++
			}
			if bad {
				wrong++
			}
		}
		e, w := float64(exact)/trials, float64(wrong)/trials
		t.Logf("rate %.2f, %2d runs: exact %5.1f%%, a wrong patch %4.1f%%, %d claims at %.3f on average", tc.rate, tc.runs, 100*e, 100*w, claims, sum/float64(claims))
		if e < tc.exact || w > tc.culprit {
			t.Errorf("rate %.2f, %d runs: exact %.3f (want %.2f), a wrong patch %.3f (at most %.3f)", tc.rate, tc.runs, e, tc.exact, w, tc.culprit)
		}
	}
}

// TestNoCulpritInFlakes has matrices with nothing but a constant rate.
func TestNoCulpritInFlakes(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	false95, named := 0, 0
	for range 500 {
		rate := []float64{0.002, 0.05, 0.2, 0.5, 0.8, 0.95}[rng.IntN(6)]
		m := make([]Column, 10)
		for p := range m {
			var runs []Judgement
			for range 5 {
				j := letters['.']
				if rng.Float64() < rate {
					j = letters['B']
				}
				runs = append(runs, j)
			}
			m[p] = Column{Prefix: p, Image: fmt.Sprint(p), Runs: map[string][]Judgement{"c": runs}}
		}
		for _, a := range Attribute(m, []Case{{Name: "c"}}, Question{}) {
			if a.Effect != Undetermined {
				named++
				if a.Probability >= 0.95 {
					false95++
				}
			}
		}
	}
	t.Logf("500 matrices of flakes: %d patches named, %d at 95%%", named, false95)
	if false95 > 5 || named > 25 {
		t.Errorf("%d patches named, %d at 95%%", named, false95)
	}
}

func wide(prefixes int) []Column {
	rng := rand.New(rand.NewPCG(7, 8))
	m := make([]Column, prefixes)
	for p := range m {
		w := "BB.B"
		if p > 12 {
			w = "EDE"
		}
		if p > 30 {
			w = "..."
		}
		var runs []Judgement
		for range 5 {
			runs = append(runs, letters[w[rng.IntN(len(w))]])
		}
		m[p] = Column{Prefix: p, Image: fmt.Sprint(p), Runs: map[string][]Judgement{"c": runs}}
	}
	return m
}

func BenchmarkAttribute(b *testing.B) {
	m := wide(41)
	for b.Loop() {
		Attribute(m, []Case{{Name: "c"}}, Question{})
	}
}

// What is certain of one change is not of the next: a passing run or two of a case that is flaky, and whose symptom a patch
// changes, are no fix. More runs are wanted.
func TestEachChangeNeedsEvidence(t *testing.T) {
	for text, want := range map[string]bool{
		"BBBB BBB BBBB EEEE EEEE EE.E":          true,
		"BBBB BB. .BB.B .... .BBB EE.EE EEEE":   false,
		"BB BB BB EE EE .. .. EE ..":            false,
		"BBBB BBBB .... .... BBBB .... ....":    true,
		"BBBB BBB .BB.B ..... .B.BB EE.EE EEEE": false,
		"B B B B DD DD D D D":                   true,
	} {
		if s := Examine(columns(text), Case{Name: "c"}, Question{}); s.Certain != want {
			t.Errorf("%s: certain %v, flaky %.3f, %s", text, s.Certain, s.Flaky, show(s.Attributions))
		}
	}
}

// TestRarerIsSaid has a patch that makes a failure rarer without mending it.
func TestRarerIsSaid(t *testing.T) {
	rare := strings.Repeat(".", 12) + "B" + strings.Repeat(".", 12) + "B"
	often := strings.Repeat("BBBB.", 5)
	for text, want := range map[string]string{
		strings.Join([]string{often, often, rare, rare, rare}, " "): "2 rarer",
		strings.Join([]string{rare, rare, rare, often, often}, " "): "3 more-often",
	} {
		if got := Attribute(columns(text), []Case{{Name: "c"}}, Question{}); show(got) != want {
			t.Errorf("got %+v, want %s", got, want)
		}
	}
}

// A pattern of prefixes of one image with one that is not built between them is counted once.
func TestProbabilitiesAreOnes(t *testing.T) {
	for _, text := range []string{"B - ~0", "B - ~0 . - ~3", "BB . ~0 - ~1", "- -", ". - B - ~0", "BE EB - ~0 .."} {
		s := Examine(columns(text), Case{Name: "c"}, Question{})
		if s.Sure > s.Known+1e-9 || s.Known > 1 || s.Same > 1 || s.Flaky > 1+1e-9 {
			t.Errorf("%s: %+v", text, s)
		}
	}
}

// Thousands of runs that contradict each other are no reason for a probability that is none.
func TestManyRuns(t *testing.T) {
	many, none := strings.Repeat("B", 4000), strings.Repeat(".", 4000)
	s := Examine(columns(strings.Join([]string{many, none, many, none, many, none, many}, " ")), Case{Name: "c"}, Question{})
	for _, p := range append([]float64{s.Sure, s.Known, s.Same, s.Flaky}, s.Tells...) {
		if math.IsNaN(p) || p < 0 || p > 1+1e-9 {
			t.Errorf("%+v", s)
		}
	}
}
