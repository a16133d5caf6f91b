package published

import (
	"math"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/torch"
)

// Origin is a record of where the model comes from, for model.json.
func (m *Model) Origin() map[string]any {
	o := map[string]any{"backbone": filepath.Base(filepath.Clean(m.opts.Backbone))}
	if m.opts.Checkpoint == "" {
		o["fresh_seed"] = m.opts.Seed
		return o
	}
	o["checkpoint"] = filepath.Base(m.opts.Checkpoint)
	for key, name := range map[string]string{"config": "config", "epoch": "epoch", "steps": "Eiters"} {
		if v, err := torch.Lookup(m.value, name); err == nil && jsonable(torch.ToPlain(v)) {
			o[key] = torch.ToPlain(v)
		}
	}
	return o
}

// jsonable tells whether encoding/json takes a plain value: no tensors in it, and finite numbers.
func jsonable(v any) bool {
	switch v := v.(type) {
	case nil, bool, string, int64:
		return true
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case []any:
		for _, x := range v {
			if !jsonable(x) {
				return false
			}
		}
		return true
	case map[string]any:
		for _, x := range v {
			if !jsonable(x) {
				return false
			}
		}
		return true
	}
	return false
}

// Name is a short name for the model: the checkpoint's folder, or the backbone's.
func (m *Model) Name() string {
	path := m.opts.Backbone
	if m.opts.Checkpoint != "" {
		path = filepath.Dir(m.opts.Checkpoint)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		abs = path
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._+-", r) {
			return r
		}
		return '-'
	}, filepath.Base(abs))
	name = strings.TrimLeft(name, "._+-")
	if name == "" {
		return "imported"
	}
	return name[:min(len(name), 100)]
}
