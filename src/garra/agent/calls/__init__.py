"""Tool calls as text: every form in which a model writes one, read from its reply, and the form that we ask for.

`reading` turns calls in the text of a reply into calls, `described` holds the second rung (tools in the prompt, and the
constraint that a call is held to), `repair` mends arguments that do not parse, `neutral` keeps text from elsewhere from
passing for any of it.
"""
