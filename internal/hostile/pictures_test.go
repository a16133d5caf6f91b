package hostile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/aladin-go/aladin/internal/picture"
)

// Each input is read by a child process, which tells how much memory that took.
const childVariable = "ALADIN_HOSTILE_FILE"

func TestMain(m *testing.M) {
	if file := os.Getenv(childVariable); file != "" {
		readPicture(file)
		os.Exit(0)
	}
	if name := os.Getenv(doorVariable); name != "" {
		tryDoor(name)
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// readPicture does with a file what the programs do: its size, its pixels resized, and a thumbnail.
func readPicture(file string) {
	before := peak()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	err := func() error {
		for _, detail := range []int{0, 224} {
			p, err := picture.DecodeFile(ctx, file, &picture.Options{Detail: detail})
			if err != nil {
				return err
			}
			out := make([]float32, 3*224*224)
			p.Sample(out, 224, 224, p.Bounds(), false, picture.Bicubic)
			if detail > 0 {
				p.Image()
			}
		}
		f, err := picture.OpenFile(file, nil)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.Thumbnail(ctx, 320, 80)
		return err
	}()
	fmt.Printf("\n%d %s\n", (peak()-before)>>20, verdict(err))
}

func verdict(err error) string {
	switch {
	case err == nil:
		return "read"
	case errors.Is(err, context.DeadlineExceeded):
		return "context"
	case picture.Unusable(err):
		return "refused: " + err.Error()
	}
	return "unnamed: " + err.Error()
}

// peak is the most memory that the process had so far, in bytes.
func peak() int {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(data)) {
		if v, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, _ := strconv.Atoi(strings.Fields(v)[0])
			return n << 10
		}
	}
	return 0
}

func TestPictures(t *testing.T) {
	if testing.Short() {
		t.Skip("some hundred megabytes of pixels")
	}
	dir := t.TempDir()
	for i, c := range Pictures() {
		t.Run(c.Name, func(t *testing.T) {
			file := filepath.Join(dir, strconv.Itoa(i))
			require.NoError(t, os.WriteFile(file, c.Make(), 0o600))
			defer os.Remove(file)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a hang, whatever the machine
			defer cancel()
			cmd := exec.CommandContext(ctx, os.Args[0])
			cmd.Env = append(os.Environ(), childVariable+"="+file)
			out, err := cmd.CombinedOutput()
			require.NoError(t, err, "%s", out)
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			megabytes, answer, _ := strings.Cut(lines[len(lines)-1], " ")
			t.Log(megabytes, "MiB:", answer)
			require.NotContains(t, answer, "unnamed")
			n, err := strconv.Atoi(megabytes)
			require.NoError(t, err, "%s", out)
			if runtime.GOOS == "linux" && !race {
				require.Less(t, n, 256, "MiB")
			}
		})
	}
}
