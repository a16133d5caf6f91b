package indexcmd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/index"
	"github.com/aladin-go/aladin/internal/cli"
	"github.com/aladin-go/aladin/internal/ort"
	"github.com/aladin-go/aladin/internal/testmodel"
)

// An interrupt while cells are made costs the cells alone.
func TestArrangeInterrupted(t *testing.T) {
	file := filepath.Join(t.TempDir(), "f.aladin")
	b, err := index.NewBuilder(file, &index.BuildOptions{Regions: index.None})
	require.NoError(t, err)
	for i := range 300 {
		e := &index.Encoding{Kind: index.Image, Matching: []float32{float32(i) / 400, 0.1, float32(i%7) / 20}}
		require.NoError(t, b.Add(context.Background(), index.Item{ID: fmt.Sprint(i), Encoding: e}))
	}
	require.NoError(t, b.Finish(context.Background()))
	before, err := os.ReadFile(file)
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	arrange := func(ctx context.Context) error {
		return arrangeFile(ctx, cli.Env{Stderr: &stderr}, &cli.Output{Quiet: true}, file, 5, false)
	}
	require.ErrorIs(t, arrange(ctx), context.Canceled)
	require.Contains(t, stderr.String(), "is complete")
	after, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, before, after)
	left, err := filepath.Glob(file + ".tmp*")
	require.NoError(t, err)
	require.Empty(t, left)

	require.NoError(t, arrange(t.Context()))
	ix, err := index.Open(file, nil)
	require.NoError(t, err)
	defer ix.Close()
	info, err := ix.Info(context.Background())
	require.NoError(t, err)
	require.Equal(t, 5, info.Cells)
	require.Equal(t, 300, info.Items)
}

// Interrupted with --resume, build goes on where it stopped, and makes the file that it makes without an interrupt.
func TestResume(t *testing.T) {
	if !ort.Available() {
		t.Skip("needs ONNX Runtime")
	}
	model, dir := testmodel.New(t, testmodel.Options{}), t.TempDir()
	file, whole := filepath.Join(dir, "scenes.aladin"), filepath.Join(dir, "whole.aladin")
	var out bytes.Buffer
	run := func(ctx context.Context, file string, args ...string) int {
		out.Reset()
		return Program.Run(ctx, append([]string{"build", "--model", model, "--scenes", "200", "--match", "bits", "--regions", "4bit", "--out", file}, args...), &out, &out)
	}
	require.Zero(t, run(t.Context(), whole), out.String())

	standard := draftItems
	t.Cleanup(func() { draftItems = standard })
	draftItems = 20
	ctx, cancel := context.WithCancel(t.Context())
	killed := filepath.Join(dir, "killed.aladin") // what a kill would leave
	go func() {
		defer cancel()
		for t.Context().Err() == nil {
			if ix, err := index.Open(file+".part", nil); err == nil {
				n := ix.Len()
				_ = ix.Close()
				if b, err := os.ReadFile(file + ".part"); err == nil && n > 0 && os.WriteFile(killed+".part", b, 0o600) == nil {
					return
				}
			}
			time.Sleep(time.Millisecond)
		}
	}()
	require.Equal(t, cli.Interrupted, run(ctx, file, "--resume"), out.String())
	require.NoFileExists(t, file)

	// Another job does not go on with it.
	other := filepath.Join(dir, "other.aladin")
	require.NoError(t, os.Link(file+".part", other+".part"))
	require.Zero(t, Program.Run(t.Context(), []string{"build", "--model", model, "--scenes", "5", "--resume", "--out", other}, &out, &out), out.String())

	want, err := os.ReadFile(whole)
	require.NoError(t, err)
	for _, file := range []string{file, killed} {
		require.Zero(t, run(t.Context(), file, "--resume"), out.String())
		require.Contains(t, out.String(), " of 200 are encoded already")
		require.NoFileExists(t, file+".part")
		got, err := os.ReadFile(file)
		require.NoError(t, err)
		require.True(t, bytes.Equal(want, got))
	}
}
