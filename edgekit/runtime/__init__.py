"""Running exported files: one adapter per runtime behind one Session, the tokenizer, load()."""
