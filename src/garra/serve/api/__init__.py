"""vLLM's HTTP API over an engine. Each route is a file; nothing here computes a token."""
