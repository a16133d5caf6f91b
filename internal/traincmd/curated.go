package traincmd

import (
	"context"
	"fmt"
	"text/tabwriter"

	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/hub"
)

var modelsVerb = cli.Verb{
	Name: "models", Summary: "list models for photos without captions, and say which to take",
	About: `
Lists a few models of the CLIP family that import --clip fetches and understands, with what others have published
about them. The recalls are theirs, not measured here: how often, in per cent, the right photo is the first, or among
the first five or ten, that a sentence finds among the 1000 of Flickr30k's or the 5000 of COCO's test set.

  aladin-train models
  aladin-train import --clip ` + hub.Scheme + recommended + ` --out clip.model
`,
	Setup: func(f *cli.Flags) cli.Body {
		asJSON := f.Bool("json", false, "the list as JSON")
		return func(_ context.Context, env cli.Env, args []string) error {
			if len(args) > 0 {
				return cli.Misuse("models takes no arguments, have %q", args)
			}
			return listModels(env, *asJSON)
		}
	},
}

// A curatedModel is one of the list. What is not published, or could not be confirmed, is left out.
type curatedModel struct {
	Name    string  `json:"name"`
	Source  string  `json:"source"` // for import --clip
	Licence string  `json:"licence"`
	Dim     int     `json:"dim"`
	Params  float64 `json:"million_parameters,omitempty"`
	Bytes   int64   `json:"bytes,omitempty"` // of the weights in float32: four times the parameters
	GFLOPs  float64 `json:"gflops,omitempty"`
	Speed   string  `json:"speed"`
	// Recalls at 1, 5 and 10 of photos by sentences (and of sentences by photos), in per cent.
	Flickr30k *publishedRecall `json:"flickr30k,omitempty"`
	COCO      *publishedRecall `json:"coco,omitempty"`
	Published string           `json:"published"` // where the figures stand
	Note      string           `json:"note"`
	Take      bool             `json:"recommended,omitempty"`
}

type publishedRecall struct {
	Images []float64 `json:"images_by_text"`
	Texts  []float64 `json:"texts_by_image"`
}

// recommended is what to take for a laptop without a GPU: as fast as the smallest of the list that has published
// recalls, and better than the others of its size.
const recommended = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"

// Where the figures stand.
const (
	openCLIPTable = "open_clip, docs/openclip_retrieval_results.csv"
	sigLIP2Table  = "big_vision, README_siglip2.md"
	tinyCLIPTable = "TinyCLIP's README (ImageNet only: 41.1 %)"
)

var curated = []curatedModel{
	{
		Name: "TinyCLIP ViT-8M/16", Source: "wkcn/TinyCLIP-ViT-8M-16-Text-3M-YFCC15M", Licence: "mit", Dim: 512, Speed: "fastest",
		Published: tinyCLIPTable, Note: "for a very small machine; much weaker than the others",
	},
	{
		Name: "CLIP ViT-B/32, LAION-2B", Source: recommended, Licence: "mit", Dim: 512, Params: 151.28, GFLOPs: 14.78, Speed: "fast",
		Flickr30k: &publishedRecall{[]float64{66.78, 88.38, 93.10}, []float64{84.10, 96.20, 98.30}},
		COCO:      &publishedRecall{[]float64{39.34, 65.43, 75.61}, []float64{56.32, 79.84, 87.12}},
		Published: openCLIPTable, Note: "take this one for a laptop", Take: true,
	},
	{
		Name: "CLIP ViT-B/32, OpenAI", Source: "openai/clip-vit-base-patch32", Licence: "not stated on the hub; MIT in OpenAI's repository", Dim: 512, Params: 151.28, GFLOPs: 14.78, Speed: "fast",
		Flickr30k: &publishedRecall{[]float64{58.78, 83.56, 90.02}, []float64{78.90, 94.90, 98.20}},
		COCO:      &publishedRecall{[]float64{30.44, 55.94, 66.87}, []float64{50.12, 75.00, 83.52}},
		Published: openCLIPTable, Note: "the first of its kind; what most other programs have",
	},
	{
		Name: "CLIP ViT-B/16, LAION-2B", Source: "laion/CLIP-ViT-B-16-laion2B-s34B-b88K", Licence: "mit", Dim: 512, Params: 149.62, GFLOPs: 41.09, Speed: "medium",
		Flickr30k: &publishedRecall{[]float64{69.84, 90.38, 94.56}, []float64{86.30, 97.90, 99.40}},
		COCO:      &publishedRecall{[]float64{42.31, 67.70, 77.06}, []float64{59.44, 81.78, 88.62}},
		Published: openCLIPTable, Note: "four times the parts of a picture: finer boxes",
	},
	{
		Name: "SigLIP ViT-B/16", Source: "google/siglip-base-patch16-224", Licence: "apache-2.0", Dim: 768, Params: 203.16, GFLOPs: 46.44, Speed: "medium",
		Flickr30k: &publishedRecall{[]float64{74.68, 92.30, 95.62}, []float64{89.10, 98.00, 99.30}},
		COCO:      &publishedRecall{[]float64{47.78, 72.44, 81.00}, []float64{65.74, 85.42, 91.26}},
		Published: openCLIPTable, Note: "the best of this size, if three times the time is there",
	},
	{
		Name: "SigLIP 2 ViT-B/16, 256 pixels", Source: "google/siglip2-base-patch16-256", Licence: "apache-2.0", Dim: 768, Speed: "medium",
		COCO:      &publishedRecall{Images: []float64{53.2}, Texts: []float64{69.7}},
		Published: sigLIP2Table, Note: "many languages; a large vocabulary, so a large file",
	},
	{
		Name: "CLIP ViT-L/14, LAION-2B", Source: "laion/CLIP-ViT-L-14-laion2B-s32B-b82K", Licence: "mit", Dim: 768, Params: 427.62, GFLOPs: 175.33, Speed: "slow",
		Flickr30k: &publishedRecall{[]float64{75.52, 92.86, 95.94}, []float64{89.50, 98.70, 99.40}},
		COCO:      &publishedRecall{[]float64{46.51, 71.08, 79.80}, []float64{63.36, 83.98, 90.74}},
		Published: openCLIPTable, Note: "for a GPU, or a night",
	},
	{
		Name: "SigLIP So400m/14, 384 pixels", Source: "google/siglip-so400m-patch14-384", Licence: "apache-2.0", Dim: 1152, Params: 877.96, GFLOPs: 723.48, Speed: "slowest",
		Flickr30k: &publishedRecall{[]float64{82.96, 96.10, 98.04}, []float64{94.30, 99.70, 99.80}},
		COCO:      &publishedRecall{[]float64{54.21, 76.78, 84.24}, []float64{72.42, 89.98, 94.48}},
		Published: openCLIPTable, Note: "the best in that table; for a GPU",
	},
}

// curatedModels are the list, with the sources as import --clip takes them.
func curatedModels() []curatedModel {
	list := make([]curatedModel, len(curated))
	for i, m := range curated {
		m.Source = hub.Scheme + m.Source
		m.Bytes = int64(m.Params * 4e6)
		list[i] = m
	}
	return list
}

func listModels(env cli.Env, asJSON bool) error {
	list := curatedModels()
	if asJSON {
		return cli.WriteJSON(env.Stdout, list)
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tMODEL\tSPEED\tMB\tDIM\tFLICKR30K 1/5/10\tCOCO 1/5/10\tLICENCE")
	for _, m := range list {
		mark, size := "", "–"
		if m.Take {
			mark = "→"
		}
		if m.Bytes > 0 {
			size = fmt.Sprint(m.Bytes / 1e6)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\t%s\n", mark, m.Name, m.Speed, size, m.Dim, m.Flickr30k, m.COCO, m.Licence)
		fmt.Fprintf(w, "\t  %s\t\t\t\t\t\t%s\n", m.Source, m.Note)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(env.Stdout, `
Recalls in per cent, photos by sentences, as published (%s; SigLIP 2: %s); none was measured here.
For a laptop:  aladin-train import --clip %s --out clip.model
`, openCLIPTable, sigLIP2Table, hub.Scheme+recommended)
	return err
}

// String is the recall of photos by sentences.
func (r *publishedRecall) String() string {
	if r == nil {
		return "–"
	}
	s := ""
	for i, x := range r.Images {
		if i > 0 {
			s += " / "
		}
		s += fmt.Sprintf("%.1f", x)
	}
	return s
}
