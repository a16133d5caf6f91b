// Package training is a training run: it ties together the packages below it, which import each other in one direction
// only and never this one:
//
//	config              the YAML file, and the schedules of learning rate and temperature
//	param               a network's parameters by name
//	grad                gradients of ONNX graphs
//	optim               Adam, clipping, accumulation           ← param, config
//	loss                the losses as graphs                   ← config
//	dataset             images, captions and their batches     ← config
//	step                the compiled training step             ← all of the above
//	model               network, vocabulary and bundle         ← step
//	encode              vectors of the parameters at hand      ← model, dataset
//	lexicon             words that others learned from texts   ← param
//	validate            recalls on a data set                  ← encode
//	start               first values out of the data           ← dataset
//	calibrate           how scores of the finished bundle are to be read ← dataset
//	state, report       what a run leaves on disk              ← validate, model, optim
//	heads               heads on frozen towers, a run of its own ← report, calibrate
//
// Package train is its public face, and internal/traincmd its command line.
package training
