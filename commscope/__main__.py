"""`python -m commscope`."""

from commscope.cli.main import main

main()
