package regions

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

//go:embed presets/*.json
var presetFiles embed.FS

// Presets are the names of the configurations that come with the program: "mobilenet-yolox" (two maps of
// MobileNetV2 and two of YOLOX-nano as a grid and below the latter's boxes, with COCO's class names as tags), "patches" and "segments".
func Presets() []string {
	entries, err := fs.ReadDir(presetFiles, "presets")
	if err != nil {
		return nil // cannot be: the folder is part of the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), path.Ext(e.Name())))
	}
	return names
}

// Preset is the configuration of that name, which the caller may change.
func Preset(name string) (*Config, error) {
	data, err := PresetJSON(name)
	if err != nil {
		return nil, err
	}
	return ParseConfig(data)
}

// PresetJSON is the preset's file, a pattern for one's own.
func PresetJSON(name string) ([]byte, error) {
	data, err := presetFiles.ReadFile("presets/" + name + ".json")
	if err != nil {
		return nil, fmt.Errorf("%w: no preset is called %q; there are %q", ErrConfig, name, Presets())
	}
	return data, nil
}
