"""Whether another replica or model is asked where one failed, and how that is said.

Holds no list and asks nobody. What the next one would do just the same (a prompt that is too long, a request that is
refused) is no reason to move, and neither is anything that is not the server's doing: a cancel, a tool, a limit.
"""

import re

from garra.errors import ContextOverflow, GarraError, ModelError, RequestRefused
from garra.models.catalogue import Chosen
from garra.models.trouble import trouble

_PAYMENT_REQUIRED, _NO_ROUTE = 402, 404


def moves_on(error: GarraError) -> bool:
    """Whether the next one may be asked."""
    if isinstance(error, RequestRefused):
        return error.http_status in (_PAYMENT_REQUIRED, _NO_ROUTE) or 300 <= error.http_status < 400
    return isinstance(error, ModelError) and not isinstance(error, ContextOverflow)


def with_first(error: GarraError, trouble_before: str) -> GarraError:
    """The error of the last one that was asked, with a line about the first one: that is the one to be mended."""
    cause = re.sub(r"; (?:asking|trying) \S+ instead\.$", "", trouble_before)
    if cause not in str(error):
        error.args = (f"{error.args[0]}\nIt was asked because {cause}.", *error.args[1:])
    return error


def words(error: ModelError, before: Chosen, now: Chosen) -> str:
    """What the person is told when another one is asked: another model, or the same one at another address."""
    if before.ref == now.ref:
        return f"{before.endpoint.base_url} cannot answer ({trouble(error)}); trying {now.endpoint.base_url} instead."
    return f"{before.ref} cannot answer ({trouble(error)}); asking {now.ref} instead."
