"""Kiwoom balance events (real-time type ``04``, 잔고) as a live pandas DataFrame."""

__version__ = "0.1.0.dev0"
