"""The model server: vLLM's HTTP API, engines, weights."""
