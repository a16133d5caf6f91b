package model

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nn"
	"github.com/aladin-go/aladin/internal/training/config"
	"github.com/aladin-go/aladin/internal/training/optim"
	"github.com/aladin-go/aladin/internal/training/param"
	"github.com/aladin-go/aladin/internal/training/step"
)

// A Fit tells what a network took of a teacher's parameters and what not.
type Fit struct {
	Taken    []Named
	Fresh    []Named    // the teacher has none: they start from nothing
	Reshaped []Reshaped // likewise, because the teacher's are of another shape
	Left     []Named    // of the teacher, and no part of the network
}

// Named is a tensor's name and shape.
type Named struct {
	Name  string
	Shape []int
}

// Reshaped is a parameter of another shape than the teacher's.
type Reshaped struct {
	Name             string
	Teacher, Network []int
}

// Fit takes of the model's parameters those that its network has under a configuration and leaves the others,
// so that a teacher need not be of the same kind. Nothing is copied: teacher and model share the values. A model
// of which nothing fits is refused, and so is one whose frozen backbone would have to start from nothing.
func (m *Model) Fit(cfg *config.Config) (*Fit, error) {
	want, err := step.Parameters(m.Net, cfg)
	if err != nil {
		return nil, err
	}
	fit, took, wanted := &Fit{}, param.NewSet(), map[string][]int{}
	var stays []Named
	for _, p := range want {
		wanted[p.Name] = p.Shape
		t := m.Params.Lookup(p.Name)
		if t != nil && slices.Equal(t.Shape, p.Shape) {
			if i := slices.IndexFunc(t.Data, func(x float32) bool { return !optim.Finite(float64(x)) }); i >= 0 {
				return nil, fmt.Errorf("%w: %s: value %d is %v", param.ErrParam, t.Name, i, t.Data[i])
			}
			fit.Taken = append(fit.Taken, Named{p.Name, p.Shape})
			took.Set(p.Name, p.Shape, t.Data)
			continue
		}
		if t != nil {
			fit.Reshaped = append(fit.Reshaped, Reshaped{p.Name, t.Shape, p.Shape})
		} else if !slices.ContainsFunc(m.Spare, func(s Named) bool { return s.Name == p.Name }) {
			fit.Fresh = append(fit.Fresh, Named{p.Name, p.Shape})
		}
		switch p.Name {
		case nn.RegionMean, nn.RegionScale:
			m.Unmeasured = true
		default:
			if step.Frozen(cfg, p) {
				stays = append(stays, Named{Name: p.Name})
			}
		}
	}
	for _, t := range m.Params.All() {
		if wanted[t.Name] == nil && t.Name != nn.HubCaptions && t.Name != nn.HubImages {
			fit.Left = append(fit.Left, Named{t.Name, t.Shape})
		}
	}
	for _, s := range m.Spare {
		if shape := wanted[s.Name]; shape != nil {
			fit.Reshaped = append(fit.Reshaped, Reshaped{s.Name, s.Shape, shape})
		} else {
			fit.Left = append(fit.Left, s)
		}
	}
	switch {
	case len(fit.Taken) == 0:
		return nil, fmt.Errorf("%w: the teacher has none of the network's %d parameters\n%s", param.ErrParam, len(want), fit)
	case len(stays) > 0:
		return nil, fmt.Errorf("%w: model.freeze-teran freezes what the teacher has not, and it would stay as it starts, at random: %s",
			config.ErrConfig, strings.Join(grouped(stays), ", "))
	}
	m.Params = took
	return fit, nil
}

// shownReshaped is how many parameters of another shape are named.
const shownReshaped = 20

// String tells everything in a few lines: names that begin alike are counted together.
func (f *Fit) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d parameters taken", len(f.Taken), len(f.Taken)+len(f.Fresh)+len(f.Reshaped))
	section := func(what string, list []Named) {
		for _, g := range grouped(list) {
			fmt.Fprintf(&b, "\n  %s: %s", what, g)
		}
	}
	section("taken", f.Taken)
	section("starts anew, the teacher has none", f.Fresh)
	for i, r := range f.Reshaped {
		if i == shownReshaped {
			fmt.Fprintf(&b, "\n  … and %d more of another shape", len(f.Reshaped)-i)
			break
		}
		fmt.Fprintf(&b, "\n  starts anew, of another shape: %s, the teacher's %v, the network's %v", r.Name, r.Teacher, r.Network)
	}
	section("left, the network has none", f.Left)
	return b.String()
}

// mostGroups is about how many lines a list of names may take.
const mostGroups = 8

// A group is some names with all their first parts in common.
type group struct {
	prefix string // with its last dot
	names  []Named
}

// smallGroup is how many names are not worth being taken apart, where not all names can be told.
const smallGroup = 3

// grouped tells a few names, and counts many by what they begin with: the largest group is taken apart, at the
// dots of its names, for as long as there are few enough.
func grouped(list []Named) []string {
	if len(list) == 0 {
		return nil
	}
	groups := []group{{"", list}}
	for {
		largest := -1
		for i, g := range groups {
			if (len(g.names) > smallGroup || len(g.names) > 1 && len(list) <= mostGroups) && (largest < 0 || len(g.names) > len(groups[largest].names)) {
				largest = i
			}
		}
		if largest < 0 {
			break
		}
		parts, prefix := groups[largest].split()
		groups[largest].prefix = prefix
		if len(parts) == 1 || len(groups)-1+len(parts) > mostGroups && prefix != "" {
			break
		}
		groups = slices.Replace(groups, largest, largest+1, parts...)
	}
	var out []string
	for _, g := range groups {
		switch n := g.names[0]; {
		case len(g.names) > 1:
			out = append(out, fmt.Sprintf("%s*: %d", g.prefix, len(g.names)))
		case n.Shape == nil:
			out = append(out, n.Name)
		default:
			out = append(out, fmt.Sprintf("%s %v", n.Name, n.Shape))
		}
	}
	return out
}

// split takes a group apart at the first dot where its names differ, and tells what they have before it.
func (g group) split() (out []group, prefix string) {
	for {
		out = nil
		at := map[string]int{}
		for _, n := range g.names {
			part, _, more := strings.Cut(n.Name[len(g.prefix):], ".")
			key := g.prefix + part
			if more {
				key += "."
			}
			i, ok := at[key]
			if !ok {
				i, at[key] = len(out), len(out)
				out = append(out, group{prefix: key})
			}
			out[i].names = append(out[i].names, n)
		}
		if len(out) > 1 || out[0].prefix == g.prefix || len(g.names) == 1 {
			return out, g.prefix
		}
		g.prefix = out[0].prefix
	}
}
