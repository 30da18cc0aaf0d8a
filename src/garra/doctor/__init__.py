"""What `garra doctor` finds out: each check is a small function that gives a `Finding`, a plain value.

`examine` runs them in order. Nothing here prints, mends anything, or talks to a server that is not configured.
"""
