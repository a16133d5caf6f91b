package regions

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/aladin-go/aladin/internal/nearest"
)

// checkKeys refuses keys of the JSON object data that target's type has no field for, at any depth,
// and names the nearest key there is.
func checkKeys(data []byte, target any) error {
	return checkType("", data, reflect.TypeOf(target))
}

func checkType(path string, data []byte, t reflect.Type) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Slice:
		if t.Elem().Kind() != reflect.Struct {
			return nil
		}
		if bytes.HasPrefix(data, []byte{'{'}) { // one for a list of one
			return checkType(path, data, t.Elem())
		}
		var items []json.RawMessage
		if json.Unmarshal(data, &items) != nil {
			return nil // json.Unmarshal finds what else is wrong
		}
		for i, item := range items {
			if err := checkType(fmt.Sprintf("%s[%d]", path, i), item, t.Elem()); err != nil {
				return err
			}
		}
	case reflect.Struct:
		var object map[string]json.RawMessage
		if json.Unmarshal(data, &object) != nil {
			return nil
		}
		known := make(map[string]reflect.Type)
		for i := range t.NumField() {
			key, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
			known[key] = t.Field(i).Type
		}
		for _, key := range sortedKeys(object) {
			field, ok := known[key]
			if !ok {
				return fmt.Errorf("%w: unknown key %q; did you mean %q?", ErrConfig, join(path, key), join(path, nearest.Names(key, sortedKeys(known), 1)[0]))
			}
			if err := checkType(join(path, key), object[key], field); err != nil {
				return err
			}
		}
	}
	return nil
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// jsonError adds the line to what encoding/json says.
func jsonError(data []byte, err error) error {
	if errors.Is(err, ErrConfig) {
		return err
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + strings.Count(string(data[:min(syntax.Offset, int64(len(data)))]), "\n")
		return fmt.Errorf("%w: line %d: %w", ErrConfig, line, err)
	}
	return fmt.Errorf("%w: %w", ErrConfig, err)
}
