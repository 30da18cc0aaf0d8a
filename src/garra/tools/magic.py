"""What a file that is no text seems to be, by its first bytes."""

_KINDS = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive (or a document or package made as one)"),
    (b"\x1f\x8b", "gzip-compressed data"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data"),
    (b"\xfd7zXZ", "xz-compressed data"),
    (b"BZh", "bzip2-compressed data"),
    (b"\x7fELF", "an ELF program or library"),
    (b"SQLite format 3\x00", "a SQLite database"),
    (b"GGUF", "GGUF model weights"),
    (b"\xff\xfe", "text in UTF-16 (exec: iconv -f UTF-16 -t UTF-8 FILE)"),
    (b"\xfe\xff", "text in UTF-16 (exec: iconv -f UTF-16 -t UTF-8 FILE)"),
)


def looks_binary(start: bytes) -> bool:
    """Whether a file that begins like this is no text. PDF and such begin like text but are none."""
    return b"\0" in start or any(start.startswith(magic) for magic, _ in _KINDS if magic != b"GIF8" and magic != b"BZh")


def said_of_binary(shown: str, size: int, start: bytes) -> str:
    """One line about it for the model."""
    kind = next((kind for magic, kind in _KINDS if start.startswith(magic)), "binary data")
    return (
        f"{shown} is no text: it looks like {kind}, {size:,} bytes. Look at it with exec (file, strings, xxd | head)."
    )
