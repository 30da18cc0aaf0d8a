"""The chat-completions wire: messages and events as values, request bodies, the SSE reader, one adapter."""
