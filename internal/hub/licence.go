package hub

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// A Licence is what a model's card states about it. It is the owner's word, not checked by anybody.
type Licence struct {
	ID   string // as the hub writes it: "mit", "apache-2.0", "other"
	Name string // of an "other"
	Link string
}

// String is one line for a person.
func (l Licence) String() string {
	s := l.ID
	if s == "" {
		return "not stated by its owner"
	}
	if l.Name != "" {
		s += " (" + l.Name + ")"
	}
	if l.Link != "" {
		s += ", " + l.Link
	}
	return s
}

// cardData is the head of a model card. A licence may be a list.
type cardData struct {
	License any    `json:"license" yaml:"license"`
	Name    string `json:"license_name" yaml:"license_name"`
	Link    string `json:"license_link" yaml:"license_link"`
}

func (c *cardData) UnmarshalJSON(b []byte) error {
	type plain cardData
	_ = json.Unmarshal(b, (*plain)(c)) // whatever else stands there must not keep a model from being fetched
	return nil
}

func (c cardData) licence() Licence {
	l := Licence{Name: oneLine(c.Name), Link: oneLine(c.Link)}
	switch v := c.License.(type) {
	case string:
		l.ID = oneLine(v)
	case []any:
		var all []string
		for _, x := range v {
			if s, ok := x.(string); ok {
				all = append(all, oneLine(s))
			}
		}
		l.ID = strings.Join(all, ", ")
	}
	return l
}

// oneLine keeps what a card says from drawing on a person's terminal.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7F || 0x80 <= r && r <= 0x9F {
			return ' '
		}
		return r
	}, s)
	if len(s) > 200 {
		s = strings.ToValidUTF8(s[:200], "") + "…"
	}
	return strings.TrimSpace(s)
}

// ReadLicence is what the head of the model card (README.md) in a folder states.
func ReadLicence(dir string) Licence {
	f, err := os.Open(filepath.Join(dir, "README.md"))
	if err != nil {
		return Licence{}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCard))
	if err != nil {
		return Licence{}
	}
	return cardLicence(b)
}

// cardLicence reads the YAML between two lines of dashes at the beginning of a model card.
func cardLicence(b []byte) Licence {
	b = bytes.TrimPrefix(bytes.ReplaceAll(b, []byte("\r\n"), []byte("\n")), []byte("\uFEFF"))
	rest, ok := bytes.CutPrefix(b, []byte("---\n"))
	if !ok {
		return Licence{}
	}
	head, _, ok := bytes.Cut(rest, []byte("\n---"))
	if !ok || len(head) > 64<<10 {
		return Licence{}
	}
	var c cardData
	if err := yaml.Unmarshal(head, &c); err != nil {
		return Licence{}
	}
	return c.licence()
}
