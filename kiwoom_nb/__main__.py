"""``python -m kiwoom_nb`` is the command ``kiwoom-nb``."""

from .cli import main

main()
