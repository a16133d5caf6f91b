package train

import (
	"github.com/aladin-go/aladin/internal/training/config"
)

// A Config is a training configuration: the YAML of the released code, with the settings of its command line and of
// networks that start from scratch. Absent keys have their defaults, which YAML shows; unknown keys are errors. It is
// valid and immutable.
type Config struct{ config *config.Config }

// ConfigNames lists the configurations that come with the package.
func ConfigNames() []string { return config.Names() }

// LoadConfig reads a file, or one of [ConfigNames]. Overrides are YAML too, and win: "training: {epochs: 3}".
func LoadConfig(nameOrFile string, overrides ...string) (*Config, error) {
	return wrapConfig(config.Load(nameOrFile, overrides...))
}

// ParseConfig reads YAML.
func ParseConfig(yaml []byte) (*Config, error) { return wrapConfig(config.Parse(yaml)) }

func wrapConfig(c *config.Config, err error) (*Config, error) {
	if err != nil {
		return nil, err
	}
	return &Config{c}, nil
}

// YAML is the whole configuration, defaults included.
func (c *Config) YAML() []byte { return c.config.YAML() }
