"""Which model answers: refs, catalogue, discovery, keys, capabilities."""
