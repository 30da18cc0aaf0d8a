"""What is kept: keys, the store, transcripts, search, export."""
