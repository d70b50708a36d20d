"""Days as tables that a test fed by hand: synthetic ones, and single events; with and without account queries."""

import frames
import pandas as pd

import kiwoom_nb as kn
from kiwoom_nb.account_pages import encode, holding_of, write_pages
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable

PLAIN = kn.simulate(5, events=120, accounts=2, symbols=["005930", "000660", "035420", "069500"])
ODD = kn.simulate(8, events=120, accounts=2, plant="all")
START = 1_780_000_000_000_000
SECOND = 1_000_000


def ask(table, day, at, since):
    """Let each account of ``day`` tell at ``at`` what it held after the fills up to ``since`` (None: at the open)."""
    held = day.holdings(since)
    for account in day.accounts:
        pages = [encode(page) for page in write_pages([holding_of(one) for one in held if one.account == account])]
        table.hold(at, account, pages)


def table_of(day, sent=None, *, asked=True, gaps=True):
    """Return a table that received ``sent`` (default: all frames of ``day``), told of its gaps and asked after them."""
    table = BalanceTable(mask_accounts=False, capacity=1 << 10)
    sent = list(day.frames()) if sent is None else sent
    table.line.connected(sent[0][0] - 10)
    if asked:
        ask(table, day, sent[0][0] - 5, None)
    coming = list(day.gaps) if gaps else []
    for at, raw in sent:
        if coming and at >= coming[0][1]:
            start, end = coming.pop(0)
            table.line.disconnected(start, "synthetic gap")
            table.line.connected(end)
            if asked:
                ask(table, day, end, end)
        table.receive(parse(raw), at)
    return table


def frame_of(day, sent=None, **options):
    """Return the frame of :func:`table_of`."""
    return table_of(day, sent, **options).frame()


def fed(*entries, table=None, start=START):
    """Return a table that received these entries, each in a frame of its own, a second apart."""
    table = BalanceTable(mask_accounts=False, capacity=64) if table is None else table
    for number, entry in enumerate(entries):
        table.receive(parse(frames.frame(entry)), start + number * SECOND)
    return table


def state(side, price, quantity, cost, realized=0, net=0, **fids):  # noqa: PLR0917 - as the columns stand in a row
    """Return an entry that tells a state: ``side`` "buy" or "sell", the rest as the columns are called."""
    numbers = {"f10": price, "f930": quantity, "f932": cost, "f990": realized, "f945": net}
    texts = {fid: None if number is None else str(number) for fid, number in numbers.items()}
    return frames.entry(**{**texts, "f946": {"sell": "1", "buy": "2"}[side], "f27": None, "f28": None, **fids})


def values(table, *columns):
    """Return the rows of a table of results as tuples, None where blank; ``columns`` default to all."""
    chosen = table[list(columns)] if columns else table
    return [
        tuple(None if pd.isna(value) else value for value in row)
        for row in chosen.astype("object").itertuples(index=False)
    ]


def by_account(frame, day):
    """Return the frame of ``day`` as it were if 990 and 992 counted the whole account; what was missed counts, too."""
    names = ("realized_pnl", "credit_realized_pnl")
    totals, told, last = {}, {}, {}
    for account, credit_type, won, event in values(day.truth.fills, "account", "credit_type", "realized_pnl", "event"):
        own = totals.setdefault(account, [0, 0])
        own[credit_type != "00"] += won
        told[event] = tuple(own)
    rows = []
    for event, account in zip(frame.index, frame["account"], strict=True):
        last[account] = told.get(event, last.get(account))
        rows.append(last[account])
    columns = {name: pd.array([row[number] for row in rows], dtype="Int64") for number, name in enumerate(names)}
    return frame.assign(**{name: pd.Series(columns[name], frame.index).where(frame[name].notna()) for name in names})
