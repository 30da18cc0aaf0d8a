"""What the engine's prefix cache holds, as far as can be known from outside.

The engine keeps whole blocks of 32 tokens and tells nobody which. This mirrors it from what was sent and what came
back: an estimate, bounded by the cache's size, that forgets the oldest first. It refuses to guess about requests that
were broken off.
"""

from array import array
from collections import OrderedDict
from collections.abc import Sequence

BLOCK_TOKENS = 32


def block_hashes(tokens: Sequence[int]) -> list[int]:
    """One number for each whole block, that stands for the block and all that is before it."""
    raw = array("q", tokens).tobytes()
    hashes: list[int] = []
    before = 0
    for end in range(BLOCK_TOKENS, len(tokens) + 1, BLOCK_TOKENS):
        before = hash((before, raw[(end - BLOCK_TOKENS) * 8 : end * 8]))
        hashes.append(before)
    return hashes


def shared_blocks(left: Sequence[int], right: Sequence[int]) -> int:
    """How many leading blocks two prompts have in common."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


class PrefixMirror:
    """The blocks that were computed and are probably still kept."""

    def __init__(self, capacity_blocks: int) -> None:
        self._capacity = capacity_blocks
        self._blocks: OrderedDict[int, None] = OrderedDict()

    def add(self, hashes: Sequence[int]) -> None:
        """These blocks were computed, or used again."""
        for block in reversed(hashes):
            self._blocks[block] = None
            self._blocks.move_to_end(block)
        while len(self._blocks) > self._capacity:
            self._blocks.popitem(last=False)

    def known_blocks(self, hashes: Sequence[int]) -> int:
        """How many leading blocks need not be computed again."""
        count = 0
        for block in hashes:
            if block not in self._blocks:
                break
            count += 1
        return count

    def cached_tokens(self, hashes: Sequence[int], prompt_tokens: int) -> int:
        """The same in tokens; the last token of a prompt is always computed."""
        return min(self.known_blocks(hashes), (prompt_tokens - 1) // BLOCK_TOKENS) * BLOCK_TOKENS
