package traincmd

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/evalcmd"
	"github.com/aladin-go/aladin/internal/published"
)

// The commands answer every option of the released code's scripts.
func TestOriginalOptions(t *testing.T) {
	seen := map[string]bool{}
	for _, o := range published.OriginalOptions {
		require.False(t, seen[o.Name], o.Name)
		seen[o.Name] = true
		var train, eval bytes.Buffer
		if o.Train != "" {
			require.Equal(t, 2, Program.Run(t.Context(), []string{"run", "--" + o.Name, "x"}, &train, &train))
			require.Contains(t, train.String(), o.Train, o.Name)
		}
		if o.Evaluation != "" {
			require.Equal(t, 2, evalcmd.Program.Run(t.Context(), []string{"--" + o.Name, "x"}, &eval, &eval))
			require.Contains(t, eval.String(), o.Evaluation, o.Name)
		}
	}
	require.Contains(t, refused(t, "run", "--config", "alad-alignment-triplet", "--out", "x", "--features", "x", "--resume", "checkpoint.pth.tar"), "--resume-optimizer")
	require.Contains(t, refused(t, "run", "--config", "alad-alignment-triplet", "--out", "x", "--features", "x", "--seed", "88"), "a training has one in its configuration")
}

// tableRow is a row of docs/published-models.md: `--option` | what stands in its place.
type tableRow struct{ original, train, eval string }

func optionTable(t *testing.T) (rows []tableRow) {
	t.Helper()
	page, err := os.ReadFile("../../docs/published-models.md")
	require.NoError(t, err)
	_, table, ok := strings.Cut(string(page), "| released code | `aladin-train run` | `aladin-eval` |\n|---|---|---|\n")
	require.True(t, ok)
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) != 3 {
			break
		}
		rows = append(rows, tableRow{strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
	}
	return rows
}

// quoted are the command-line parts of a table's cell: options with their values, "" for a switch.
func quoted(cell string) (options [][2]string) {
	for i, part := range strings.Split(cell, "`") {
		if i%2 == 0 || !strings.HasPrefix(part, "--") {
			continue
		}
		for _, word := range strings.Fields(part) {
			if strings.HasPrefix(word, "--") {
				options = append(options, [2]string{word})
			} else {
				options[len(options)-1][1] = word
			}
		}
	}
	return options
}

// A commandLine is options that may stand together.
type commandLine map[string]string

// add takes the options in, unless one of them is there with another value.
func (c commandLine) add(options [][2]string) bool {
	for _, o := range options {
		if v, ok := c[o[0]]; ok && v != o[1] {
			return false
		}
	}
	for _, o := range options {
		c[o[0]] = o[1]
	}
	return true
}

// commandLines are as few as can hold all the options.
func commandLines(all [][][2]string) (lines []commandLine) {
	for _, options := range all {
		if len(options) > 0 && !slices.ContainsFunc(lines, func(c commandLine) bool { return c.add(options) }) {
			lines = append(lines, commandLine{})
			lines[len(lines)-1].add(options)
		}
	}
	return lines
}

// Every row of the page's table runs, with the fixtures' files in place of the names.
func TestOptionTable(t *testing.T) {
	dir := needs(t, "aladin-tiny")
	tmp := t.TempDir()
	model := filepath.Join(tmp, "tiny.model")
	do(t, "import", "--checkpoint", filepath.Join(dir, "checkpoint.pth.tar"), "--vinvl", filepath.Join(dir, "vinvl"), "--out", model)
	names := strings.NewReplacer("coco_ir", filepath.Join(dir, "coco_ir"), "features.tsv", filepath.Join(dir, "coco_ir", "features", "features.tsv"),
		"FOLDER", filepath.Join(tmp, "run"), "checkpoint-0132780", filepath.Join(dir, "vinvl"), "model.pth.tar", filepath.Join(dir, "checkpoint.pth.tar"),
		"aladin.model", model, "OUT.json", filepath.Join(tmp, "out.json"))
	arguments := func(line commandLine, others map[string]string) (args []string) {
		for option, value := range others {
			if _, ok := line[option]; !ok {
				line[option] = value
			}
		}
		for _, option := range slices.Sorted(maps.Keys(line)) {
			args = append(args, option)
			if v := line[option]; v != "" {
				args = append(args, names.Replace(v))
			}
		}
		return args
	}
	have := map[string]bool{}
	var train, eval [][][2]string
	for _, row := range optionTable(t) {
		have[strings.Fields(strings.Trim(row.original, "`"))[0]] = true
		train, eval = append(train, quoted(row.train)), append(eval, quoted(row.eval))
	}
	for _, name := range strings.Fields("data_dir img_feat_file eval_model_dir config logger_name val_step max_seq_length max_img_seq_length load-teacher-model resume load_checkpoint eval_img_keys_file") {
		require.True(t, have["--"+name], name)
	}
	for _, line := range commandLines(train) {
		if _, checkpoint := line["--vinvl"]; !checkpoint {
			line["--teacher"] = "aladin.model"
		}
		args := append([]string{"run"}, arguments(line, map[string]string{"--config": "alad-alignment-and-matching-distill", "--batch-size": "12", "--epochs": "1",
			"--split": "train", "--out": "FOLDER", "--features": "features.tsv", "--coco-ir": "coco_ir"})...)
		do(t, args...)
	}
	for _, line := range commandLines(eval) {
		var stdout, stderr bytes.Buffer
		args := arguments(line, map[string]string{"--model": "aladin.model", "--split": "test", "--candidates": "5", "--bootstrap": "0", "--latency": "0",
			"--coco-ir": "coco_ir", "--features": "features.tsv"})
		require.Zero(t, evalcmd.Program.Run(t.Context(), args, &stdout, &stderr), "%q\n%s", args, stderr.String())
	}
}
