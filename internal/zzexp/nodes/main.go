package main

import (
	"context"
	"fmt"
	"os"

	"github.com/aladin-go/aladin/internal/onnx"
	"github.com/aladin-go/aladin/internal/ort"
)

func main() {
	data, _ := os.ReadFile(os.Args[1])
	m, err := onnx.Unmarshal(data)
	if err != nil { panic(err) }
	var names []string
	op := map[string]string{}
	for _, n := range m.Graph.Nodes {
		switch n.OpType {
		case "Concat", "Relu", "Clip", "Mul", "Add", "Relu6", "BatchNormalization":
			names = append(names, n.Outputs[0])
			op[n.Outputs[0]] = n.OpType
		}
	}
	m.Expose(names...)
	for _, o := range m.Graph.Outputs { if o.Type == onnx.Undefined { o.Type = onnx.Float } }
	s, err := ort.Load(m.Marshal(), &ort.Options{Outputs: names})
	if err != nil { panic(err) }
	in := s.Inputs()[0]
	shape := in.Shape
	n := 1
	for i := range shape { if shape[i] < 0 { shape[i] = 1 }; n *= int(shape[i]) }
	res, err := s.Run(context.Background(), map[string]*ort.Tensor{in.Name: ort.Float32(shape, make([]float32, n))}, names...)
	if err != nil { panic(err) }
	fmt.Println(in)
	for _, nm := range names { if len(res[nm].Shape()) == 4 { fmt.Println(op[nm], nm, res[nm].Shape()) } }
}
