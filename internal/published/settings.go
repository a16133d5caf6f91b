package published

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/aladin-go/aladin/internal/torch"
)

// settings are a dict out of a file, with what an error message needs to say where it stands. The first
// mistake is kept, so that a run of look-ups needs one check.
type settings struct {
	where  string // file and path: `checkpoint.pth.tar: config.model`
	values map[string]any
	err    *error
}

// plainSettings wraps a value out of a torch file: a dict, or a Namespace.
func plainSettings(where string, v any) (settings, error) {
	m, ok := torch.ToPlain(v).(map[string]any)
	if !ok {
		return settings{}, fmt.Errorf("%s is a %T, no dict", where, v)
	}
	return settings{where, m, new(error)}, nil
}

// in is the dict under a key, empty if it is absent.
func (s settings) in(key string) settings {
	sub := settings{where: s.where + "." + key, err: s.err}
	switch v := s.values[key].(type) {
	case nil:
	case map[string]any:
		sub.values = v
	default:
		s.fail(key, v, "a dict")
	}
	return sub
}

func (s settings) fail(key string, v any, want string) {
	if *s.err == nil {
		*s.err = fmt.Errorf("%s: %q is %v, want %s", s.where, key, v, want)
	}
}

func (s settings) has(key string) bool { return s.values[key] != nil }

// number accepts what JSON and pickle have for numbers, and Python's bools.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case int:
		return float64(v), true
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}

// maxInt bounds sizes and lengths: beyond any network, and products of three stay exact in an int64.
const maxInt = 1 << 20

func (s settings) integer(key string, low, otherwise int) int {
	v := s.values[key]
	if v == nil {
		return otherwise
	}
	f, ok := number(v)
	if _, isBool := v.(bool); !ok || isBool || f != math.Trunc(f) || f < float64(low) || f > maxInt {
		s.fail(key, v, fmt.Sprintf("an integer from %d to %d", low, maxInt))
		return otherwise
	}
	return int(f)
}

func (s settings) float(key string, otherwise float64) float64 {
	v := s.values[key]
	if v == nil {
		return otherwise
	}
	f, ok := number(v)
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		s.fail(key, v, "a number")
		return otherwise
	}
	return f
}

// share is a number from 0 to 1, less than 1.
func (s settings) share(key string, otherwise float64) float32 {
	v := s.float(key, otherwise)
	if v < 0 || v >= 1 {
		s.fail(key, v, "0 or more, and less than 1")
	}
	return float32(v)
}

// truth is a bool, or a number as Python judges it.
func (s settings) truth(key string, otherwise bool) bool {
	v := s.values[key]
	if v == nil {
		return otherwise
	}
	f, ok := number(v)
	if !ok {
		s.fail(key, v, "true or false")
	}
	return f != 0
}

func (s settings) text(key, otherwise string) string {
	switch v := s.values[key].(type) {
	case nil:
	case string:
		return v
	default:
		s.fail(key, v, "a text")
	}
	return otherwise
}

// aggregation is "gated", "mean" or false.
func (s settings) aggregation(key string) string {
	switch v := s.values[key].(type) {
	case nil:
	case bool:
		if v {
			s.fail(key, v, "false, gated or mean")
		}
	case string:
		return v
	default:
		s.fail(key, v, "false, gated or mean")
	}
	return ""
}
