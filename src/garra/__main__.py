"""`python -m garra` is the `garra` command."""

from garra.cli.main import main

main()
