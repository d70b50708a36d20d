"""Measured: what kiwoom_nb costs, as ratios within one run. ``python -m benchmarks --help`` says how to run it."""
