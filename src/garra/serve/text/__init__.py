"""Text on its way in and out of an engine: tokenizer, chat template, detokenizer, stop strings."""
