package doctest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/aladin-go/aladin/internal/ort"
)

// standInCommands are programs of clusters, for machines that are folders beside each other: ssh and scp, which reach
// them, and sbatch, which runs an array's tasks side by side. sh runs a pod's command.
var standInCommands = map[string]string{
	"ssh": `cd "$MACHINES/$1" && shift && exec sh -c "$*"`,
	"scp": `[ "$1" = -q ] && shift; exec cp "$MACHINES/${1%%:*}/${1#*:}" "$2"`,
	"sbatch": `for last; do case $last in --array=*) range=${last#--array=};; esac; done
for i in $(seq "${range%-*}" "${range#*-}"); do SLURM_ARRAY_TASK_ID=$i sh -c "$last" & tasks="$tasks $!"; done
for task in $tasks; do wait "$task" || exit 1; done`,
}

// The clusters' examples of docs/many-machines.md run as processes of this machine, and each gives the index that one
// build gives.
func TestManyMachines(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	lib, err := ort.Library()
	require.NoError(t, err)
	bin, dir, machines := t.TempDir(), t.TempDir(), t.TempDir()
	program, err := filepath.Abs(os.Args[0])
	require.NoError(t, err)
	script := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755))
	}
	for name, text := range standInCommands {
		script(name, text)
	}
	script("aladin-index", fmt.Sprintf(`exec '%s' aladin-index "$@"`, program))
	for name, value := range map[string]string{
		asCommand: "1", "MACHINES": machines, "ALADIN_ONNXRUNTIME": lib, "XDG_CACHE_HOME": t.TempDir(),
		"PATH": bin + string(filepath.ListSeparator) + os.Getenv("PATH"),
	} {
		t.Setenv(name, value)
	}
	const name = "docs/many-machines.md"
	page := pages(t)[name]
	world(t, dir)
	t.Chdir(dir)
	require.NoError(t, os.Mkdir("parts", 0o755))
	for _, machine := range []string{"left", "right"} {
		for _, name := range []string{"photos", "photos.model"} {
			require.NoError(t, os.MkdirAll(filepath.Join(machines, machine), 0o755))
			require.NoError(t, os.Symlink(filepath.Join(dir, name), filepath.Join(machines, machine, name)))
		}
	}
	want, err := os.ReadFile("photos.aladin")
	require.NoError(t, err)
	run := func(args []string, env ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
		cmd.Env = append(os.Environ(), env...)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s\n%s", args, out)
	}
	ran := map[string]int{}
	for _, b := range blocks(page) {
		text := strings.Join(b.text, "\n")
		var merged string
		switch ran[b.mark]++; {
		case b.mark == "bash":
			run([]string{"bash", "-e", "-c", text})
			_, merged, _ = strings.Cut(text, "merge --out ")
			merged, _, _ = strings.Cut(merged, " ")
		case b.mark == "yaml":
			merged = "pods.aladin"
			run(append([]string{"aladin-index", "merge", "--out", merged}, pods(t, text, run)...))
		default:
			continue
		}
		got, err := os.ReadFile(merged)
		require.NoError(t, err)
		require.Equal(t, want, got, "%s:%d", name, b.line)
	}
	require.GreaterOrEqual(t, ran["bash"], 2)
	require.GreaterOrEqual(t, ran["yaml"], 1)
}

// pods runs the commands of an indexed job's pods, and returns the files that they make.
func pods(t *testing.T, manifest string, run func([]string, ...string)) (files []string) {
	t.Helper()
	var job struct {
		Kind string
		Spec struct {
			CompletionMode string `yaml:"completionMode"`
			Completions    int
			Template       struct {
				Spec struct {
					Containers []struct{ Command []string }
				}
			}
		}
	}
	require.NoError(t, yaml.Unmarshal([]byte(manifest), &job))
	require.Equal(t, "Job", job.Kind)
	require.Equal(t, "Indexed", job.Spec.CompletionMode)
	require.Len(t, job.Spec.Template.Spec.Containers, 1)
	for i := range job.Spec.Completions {
		var args []string
		for _, a := range job.Spec.Template.Spec.Containers[0].Command {
			args = append(args, strings.ReplaceAll(a, "$(JOB_COMPLETION_INDEX)", fmt.Sprint(i)))
		}
		run(args)
		files = append(files, args[len(args)-1])
	}
	return files
}
