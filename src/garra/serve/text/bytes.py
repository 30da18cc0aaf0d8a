"""The bytes that a byte-level token stands for.

Byte-level vocabularies write each byte as one printable character, so that tokens can be kept as text (GPT-2's
alphabet). This is the way back. Nothing here decides whether the bytes make characters.
"""


def _alphabet() -> dict[str, int]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in set(printable)]
    shown = {chr(byte): byte for byte in printable}
    return shown | {chr(256 + place): byte for place, byte in enumerate(hidden)}


BYTE_OF = _alphabet()


def token_bytes(token: str) -> bytes:
    """The bytes of one token; a token with a character outside the alphabet (an added one) stands for itself."""
    try:
        return bytes(BYTE_OF[char] for char in token)
    except KeyError:
        return token.encode("utf-8", "replace")
