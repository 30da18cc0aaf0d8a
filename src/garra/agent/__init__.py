"""One turn: the loop, the prompt, the token budget."""
