package evalcmd

func (e *evaluation) writeReport(path, title string) error { return nil }
