// Package onnx writes and reads ONNX models (https://onnx.ai, ModelProto of onnx.proto3) without a
// runtime: the protobuf messages as plain structs, and a Builder that puts graphs together op by op,
// infers every shape as it goes and refuses an op whose operands do not fit, naming both.
//
// The Builder emits opset 18 of the default domain, so its files load in any stock runtime that knows
// that opset. Dimensions are fixed or symbolic (see Dim); symbolic ones make a graph accept any batch
// size and sequence length.
//
// Reading is tolerant: fields that this package does not model are kept as bytes and written back, so
// a foreign model survives a round trip, for example when [Model.Expose] adds one of its inner values to
// the outputs.
//
// Nothing here is safe for concurrent mutation; finished models may be read from many goroutines.
package onnx
