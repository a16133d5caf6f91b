package traincmd

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/aladin-go/aladin/internal/hub"
	"github.com/aladin-go/aladin/internal/progress"
)

// A fetched source is a model's folder or file on this machine.
type fetchedSource struct {
	path string
	name string // of the model, "" where the folder's is good
	// licence as the hub states it, "" elsewhere; notes for the person.
	licence string
	notes   []string
}

// fetchSource brings what --clip names onto this machine: a model of the hub, a file by its address. Folders and files
// are here already; a checksum behind a file's name is compared.
func fetchSource(ctx context.Context, source string, out io.Writer) (fetchedSource, error) {
	var task *progress.Task
	defer func() { task.Done() }()
	o := &hub.Options{
		Choose: hub.CLIPFiles,
		Progress: func(p hub.Progress) {
			const mega = 1 << 20
			if task == nil {
				task = progress.New(out, "downloading (MB)", int(p.Total/mega))
			}
			task.Set(int(p.Done/mega), int(p.Total/mega))
		},
	}
	switch {
	case hub.IsReference(source):
		ref, err := hub.ParseReference(source)
		if err != nil {
			return fetchedSource{}, err
		}
		snap, err := hub.Fetch(ctx, ref, o)
		if err != nil {
			return fetchedSource{}, err
		}
		_, name, _ := strings.Cut(ref.Repo, "/")
		s := fetchedSource{path: snap.Dir, name: name, licence: snap.Licence.String()}
		s.notes = append(s.notes, fmt.Sprintf("%v at commit %s", ref, snap.Commit))
		if snap.Note != "" {
			s.notes = append(s.notes, snap.Note)
		}
		return s, nil
	case hub.IsURL(source), strings.Contains(source, "#sha256="):
		path, err := hub.FetchFile(ctx, source, o)
		if err != nil {
			return fetchedSource{}, err
		}
		return fetchedSource{path: path, name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}, nil
	}
	return fetchedSource{path: source}, nil
}
