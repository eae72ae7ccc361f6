package lab

import "fmt"

// Further is a strategy that gives each cell so many runs more than it had when it was first asked, and stops. One that the lab
// failed to run before is tried again.
type Further struct {
	Runs    int
	Subsets []int // places of the subsets that get them instead of the prefixes, nil for these

	goals map[furtherCell]int
}

// furtherCell is a cell of whichever of a plan's kernels: the names of their cases differ.
type furtherCell struct {
	variant  int
	caseName string
}

// Next implements Strategy.
func (f *Further) Next(s *State) (wants []Want, why string) {
	if f.goals == nil {
		f.goals = map[furtherCell]int{}
	}
	rows := f.Subsets
	if rows == nil {
		for i := range s.Columns {
			rows = append(rows, i)
		}
	}
	for _, i := range rows {
		col := s.row(i)
		if col.Image == "" && !col.Pending {
			continue
		}
		for c := range s.Cases {
			id, have := furtherCell{i, s.Cases[c].Name}, len(col.Runs[s.Cases[c].Name])
			_, asked := f.goals[id]
			if !asked {
				f.goals[id] = have + f.Runs
			}
			if have < f.goals[id] && (!asked || !s.Lost[CellID{i, c}]) {
				wants = append(wants, Want{CellID{i, c}, f.goals[id]})
			}
		}
	}
	if f.Runs == 1 {
		return wants, "1 further run of each cell"
	}
	return wants, fmt.Sprintf("%d further runs of each cell", f.Runs)
}
