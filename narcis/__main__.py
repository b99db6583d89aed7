"""`python -m narcis`."""

from narcis.cli import main

main()
