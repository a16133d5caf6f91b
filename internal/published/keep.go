package published

import (
	"fmt"
	"io"

	"github.com/aladin-go/aladin/internal/elem"
	"github.com/aladin-go/aladin/internal/torch"
)

// KeptFile is the name in a bundle of what the checkpoint held besides the network. It is a torch file, too:
//
//	format      1
//	tensors     [[name in the file, name in the network, element type], …] in the file's order
//	unused      the tensors that the network has no use for, by their name in the file
//	metadata    the state dict's _metadata, or None
//	checkpoint  the checkpoint without "model" and "optimizer": config, opt, epoch, …
//	config.json, training_args.bin: the backbone folder's, as text and as a value
const KeptFile = "published.pth"

const keptFormat = 1

// Kept is the content of KeptFile.
type Kept struct {
	tensors    []keptTensor
	unused     *torch.Dict
	metadata   any
	checkpoint *torch.Dict
	configText string
	args       any
}

type keptTensor struct {
	source, name string
	typ          elem.Type
}

// Kept is what a bundle keeps of the model beside its graphs. It refers to the files: write it before Close.
func (m *Model) Kept() *Kept {
	k := &Kept{unused: &torch.Dict{Ordered: true}, metadata: m.weights.meta, checkpoint: torch.NewDict(),
		configText: string(m.backbone.configText), args: m.backbone.args}
	network := map[string]bool{}
	for _, p := range m.Params {
		network[p.Name] = true
	}
	for _, t := range m.weights.list {
		switch {
		case m.found[t.name] != nil:
		case network[t.name]:
			continue // replaced by a fresh one of another shape
		default:
			k.unused.Set(t.source, t.tensor)
		}
		k.tensors = append(k.tensors, keptTensor{t.source, t.name, t.tensor.Type})
	}
	if d, ok := m.value.(*torch.Dict); ok {
		for key, v := range d.All() {
			if name, ok := key.(string); ok && name != "model" && name != "optimizer" {
				k.checkpoint.Set(name, v)
			}
		}
	}
	return k
}

// Write writes KeptFile.
func (k *Kept) Write(w io.Writer) error {
	list := make([]any, len(k.tensors))
	for i, t := range k.tensors {
		list[i] = []string{t.source, t.name, t.typ.String()}
	}
	return torch.Write(w, torch.NewDict("format", keptFormat, "tensors", list, "unused", k.unused, "metadata", k.metadata,
		"checkpoint", k.checkpoint, configFile, k.configText, argsFile, k.args))
}

// OpenKept reads KeptFile. The result refers to the file: use it before closing that.
func OpenKept(path string) (*Kept, *torch.File, error) {
	f, err := torch.Open(path)
	if err != nil {
		return nil, nil, err
	}
	k, err := parseKept(f.Value())
	if err != nil {
		_ = f.Close()
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, f, nil
}

func parseKept(v any) (*Kept, error) {
	bad := func(what string) error { return fmt.Errorf("%w: no %s of ours: %s", ErrCheckpoint, KeptFile, what) }
	d, ok := v.(*torch.Dict)
	if !ok {
		return nil, bad("not a dict")
	}
	get := func(key string) any { v, _ := d.Get(key); return v }
	if n, _ := get("format").(int64); n != keptFormat {
		return nil, bad(fmt.Sprintf("format %v, this program reads %d", get("format"), keptFormat))
	}
	k := &Kept{metadata: get("metadata"), args: get(argsFile)}
	var ok1, ok2 bool
	k.unused, ok1 = get("unused").(*torch.Dict)
	k.checkpoint, ok2 = get("checkpoint").(*torch.Dict)
	k.configText, ok = get(configFile).(string)
	list, ok3 := get("tensors").([]any)
	if !ok || !ok1 || !ok2 || !ok3 {
		return nil, bad("a part is missing")
	}
	for _, item := range list {
		t, _ := item.([]any)
		if len(t) != 3 {
			return nil, bad("tensors")
		}
		source, ok1 := t[0].(string)
		name, ok2 := t[1].(string)
		kind, ok3 := t[2].(string)
		typ, ok4 := elem.Parse(kind)
		if !ok1 || !ok2 || !ok3 || !ok4 {
			return nil, bad("tensors")
		}
		k.tensors = append(k.tensors, keptTensor{source, name, typ})
	}
	return k, nil
}
