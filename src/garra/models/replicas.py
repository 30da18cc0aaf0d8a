"""Which of several servers of the same models a session goes to: the one that holds its prefix, as long as it answers.

A server keeps the beginning of a conversation in its cache, so that a session that stays is answered sooner. Nothing
is asked and nothing is remembered here: whoever stores a reply stores which replica gave it.
"""

import msgspec

from garra.models.catalogue import Chosen


def ordered(base_urls: tuple[str, ...], key: str, last: str) -> tuple[str, ...]:
    """The replicas in the order in which the session `key` should try them; `last` served it last, "" for none.

    The rest is ordered by a hash of session and replica: the same in every process, spread evenly, and when a replica
    comes or goes no session moves that was not on it.
    """
    urls = dict.fromkeys(base_urls)
    if len(urls) < 2:
        return tuple(urls)
    return tuple(sorted(urls, key=lambda url: (url != last, _weight(key, url))))


def at(chosen: Chosen, base_url: str) -> Chosen:
    """The same model at one of its replicas."""
    return msgspec.structs.replace(chosen, endpoint=msgspec.structs.replace(chosen.endpoint, base_url=base_url))


def _weight(key: str, url: str) -> bytes:
    from hashlib import blake2b

    return blake2b(f"{key}\n{url}".encode(), digest_size=8).digest()
