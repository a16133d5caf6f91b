package indexcmd

import (
	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
)

// codecs are the flags that say how a new index stores vectors.
type codecs struct {
	match, regions string
	noRescore      bool
}

// register defines the flags, with int8 for their default, or "" for what there is.
func (c *codecs) register(f *cli.Flags, standard string) {
	f.StringVar(&c.match, "match", standard, "`codec` of the vectors that are scanned: int8, f16, f32, bits")
	f.StringVar(&c.regions, "regions", standard, "`codec` of the regions (or words) for alignment: int8, f16, 4bit, 2bit, none")
	f.Group(cli.Advanced)
	f.BoolVar(&c.noRescore, "no-rescore", false, "with --match bits: keep the bits alone, which find candidates for alignment, and no int8 codes to score them again")
}

// set writes them to the options of an index.
func (c *codecs) set(o *index.BuildOptions) error {
	for _, x := range []struct {
		flag, value string
		codec       *index.Codec
	}{{"--match", c.match, &o.Match}, {"--regions", c.regions, &o.Regions}} {
		if x.value == "" {
			continue
		}
		if err := x.codec.UnmarshalText([]byte(x.value)); err != nil {
			return cli.Misuse("%s: %v", x.flag, err)
		}
	}
	if o.NoRescore = c.noRescore; o.NoRescore && o.Match != index.Bits {
		return cli.Misuse("--no-rescore is for --match bits")
	}
	return nil
}
