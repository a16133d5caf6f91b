package published

// An OriginalOption is one of the released code's train.py and test.py (ALADIN and ALADIN-2.0), and what stands in its
// place here. "" means that the option is not one of that script's.
type OriginalOption struct {
	Name       string // without dashes
	Train      string // for aladin-train run
	Evaluation string // for aladin-eval
}

const (
	fromFiles = "nothing to give: the released code ignores it, or the model's files say it"
	fromYAML  = "the released code ignores it and reads the configuration, as aladin-train does: "
	imported  = "import the checkpoint once, aladin-train import --checkpoint FILE --vinvl FOLDER --out BUNDLE, and give --model BUNDLE"
)

// OriginalOptions are all of them.
var OriginalOptions = []OriginalOption{
	{"data_dir", "--coco-ir FOLDER", "--coco-ir FOLDER"},
	{"img_feat_file", "--features FOLDER or FILE.tsv (aladin-train detic converts a shelve of Detic's)", "--features FOLDER or FILE.tsv"},
	{"eval_model_dir", "--vinvl FOLDER beside a checkpoint as --teacher; VinVL's own weights: aladin-train import --vinvl FOLDER --released --out BUNDLE, then --teacher BUNDLE", imported},
	{"logger_name", "--out FOLDER", ""},
	{"val_step", "--val-every STEPS", ""},
	{"max_seq_length", "--max-caption N --max-labels N", "the model's own; aladin-train import --max-caption N --max-labels N sets them"},
	{"max_caption_seq_len", "--max-caption N", "the model's own; aladin-train import --max-caption N sets it"},
	{"max_labels_seq_len", "--max-labels N", "the model's own; aladin-train import --max-labels N sets it"},
	{"max_img_seq_length", "--max-regions N", "the model's own; aladin-train import --max-regions N sets it"},
	{"load-teacher-model", "--teacher FILE --vinvl FOLDER", ""},
	{"load_checkpoint", "--teacher FILE --vinvl FOLDER", imported},
	{"reinitialize-scheduler", "leave --resume-optimizer out: --teacher alone starts the schedule anew", ""},
	{"num_epochs", "--epochs N", ""},
	{"num_train_epochs", "--epochs N", fromFiles},
	{"eval_img_keys_file", "--keys FILE or --val-keys FILE", "--keys FILE"},
	{"test_split", "--split SPLIT or --val-split SPLIT", "--split SPLIT"},
	{"per_gpu_train_batch_size", fromYAML + "training.bs, or --batch-size N", fromFiles},
	{"gradient_accumulation_steps", fromYAML + "training.accumulate", fromFiles},
	{"learning_rate", fromYAML + "training.lr", fromFiles},
	{"weight_decay", fromYAML + "training.weight-decay", fromFiles},
	{"max_grad_norm", fromYAML + "training.grad-clip", fromFiles},
	{"warmup_steps", fromYAML + "training.warmup and training.warmup-period", fromFiles},
	{"scheduler", fromYAML + "training.scheduler", fromFiles},
	{"loss_type", fromYAML + "training.loss-type", fromFiles},
	{"drop_out", "encoder.dropout in the configuration, else the backbone's config.json", fromFiles},
	{"no_cuda", "--device cpu, the default", "--device cpu, the default"},
	{"num_workers", "nothing to give: batches are prepared on all cores (--threads N)", fromFiles},
	{"log_step", "nothing to give: metrics.jsonl and tensorboard/ have every step", ""},
	{"save_steps", "--save-every STEPS", fromFiles},
	{"output_dir", "--out FOLDER", "--out FILE.json"},
	{"detection_type", "--detection TYPE, or detection_type in the configuration", "--detection TYPE"},
	{"aggregation_type", "--aggregation-type labels", fromFiles},
	{"test_step", fromFiles, ""},
	{"model_name_or_path", fromFiles, fromFiles}, {"config_name", fromFiles, fromFiles}, {"tokenizer_name", fromFiles, fromFiles},
	{"do_train", fromFiles, fromFiles}, {"do_test", fromFiles, fromFiles}, {"do_eval", fromFiles, fromFiles}, {"do_lower_case", fromFiles, fromFiles},
	{"add_od_labels", fromFiles, fromFiles}, {"od_label_type", fromFiles, fromFiles}, {"att_mask_type", fromFiles, fromFiles},
	{"img_feature_dim", fromFiles, fromFiles}, {"img_feature_type", fromFiles, fromFiles}, {"use_img_layernorm", fromFiles, fromFiles},
	{"img_layer_norm_eps", fromFiles, fromFiles}, {"per_gpu_eval_batch_size", fromFiles, fromFiles}, {"output_mode", fromFiles, fromFiles},
	{"num_labels", fromFiles, fromFiles}, {"num_captions_per_img_train", fromFiles, fromFiles}, {"num_captions_per_img_val", fromFiles, fromFiles},
	{"adam_epsilon", fromFiles, fromFiles}, {"max_steps", fromFiles, fromFiles}, {"logging_steps", fromFiles, fromFiles},
	{"evaluate_during_training", fromFiles, fromFiles}, {"cross_image_eval", fromFiles, fromFiles}, {"eval_caption_index_file", fromFiles, fromFiles},
}

// TrainHints and EvaluationHints answer the options of the released code, by name.
var (
	TrainHints      = hints(func(o OriginalOption) string { return o.Train })
	EvaluationHints = hints(func(o OriginalOption) string { return o.Evaluation })
)

func hints(of func(OriginalOption) string) map[string]string {
	out := map[string]string{}
	for _, o := range OriginalOptions {
		if h := of(o); h != "" {
			out[o.Name] = "here it is " + h
			if h[0] != '-' {
				out[o.Name] = h
			}
		}
	}
	return out
}
