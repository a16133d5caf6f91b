package tokenizer

func fixText(cs []char) []char { return cs }
