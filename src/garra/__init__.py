"""Garra: an assistant for models you host yourself, and the server to host them with."""

__version__ = "0.1.0"
