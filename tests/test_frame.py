import copy
import inspect
import io
import pickle

import numpy as np
import pandas as pd
import pytest
from frames import balance_frames, event
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from kiwoom_nb.errors import ReadOnlyFrame
from kiwoom_nb.frame import AUGMENTED, IN_PLACE, LiveFrame
from kiwoom_nb.protocol import parse
from kiwoom_nb.table import BalanceTable
from kiwoom_nb.told import ATTRS_KEY

NOON = 1_763_600_400_123_456


class Live:
    """A source behind a frame, and how a test lets the frame grow."""

    def __init__(self, rows=3, line="live <b>& well</b>"):
        self.table = BalanceTable(capacity=256)
        self.line = line
        self.df = LiveFrame(self.table.frame(), self)
        self.grow(rows)

    def state_line(self):
        return self.line

    def grow(self, rows=2):
        for _ in range(rows):
            at = self.table.rows
            raw = event(f930=str(at), f9001=f"{at % 3:06}", f10=f"-{at + 100}", f8019=f"{at}.5")
            self.table.receive(parse(raw), NOON + at * 1_000_000)
        self.df._show(self.table.frame())


@pytest.fixture
def live():
    return Live()


@pytest.fixture
def df(live):
    return live.df


# --- what it is -------------------------------------------------------------------------------------------------


def test_a_live_frame_is_a_dataframe_that_grows(live):
    """The same object shows more rows after each sync."""
    df = live.df
    assert isinstance(df, pd.DataFrame)
    assert len(df) == 3
    live.grow()
    assert len(df) == 5
    assert df.shape == (5, 30)
    assert df["quantity"].tolist() == [0, 1, 2, 3, 4]
    assert list(df) == list(live.table.frame())


DERIVED = {
    "head": lambda df: df.head(2),
    "tail": lambda df: df.tail(2),
    "mask": lambda df: df[df["quantity"] > 0],
    "columns": lambda df: df[["symbol", "quantity"]],
    "slice": lambda df: df[1:],
    "all rows": lambda df: df[:],
    "loc": lambda df: df.loc[0:1],
    "loc all": lambda df: df.loc[:],
    "iloc all": lambda df: df.iloc[:],
    "loc called": lambda df: df.loc(axis=0)[0:1],
    "copy": lambda df: df.copy(),
    "shallow copy": lambda df: df.copy(deep=False),
    "copy.copy": copy.copy,
    "copy.deepcopy": copy.deepcopy,
    "pickle": lambda df: pickle.loads(pickle.dumps(df)),  # noqa: S301 - our own pickle
    "DataFrame": lambda df: pd.DataFrame(df),  # noqa: PLW0108 - one form for all
    "T": lambda df: df.T,
    "isna": lambda df: df.isna(),
    "assign": lambda df: df.assign(double=df["quantity"] * 2),
    "describe": lambda df: df.describe(),
    "merge": lambda df: df.merge(pd.DataFrame({"symbol": ["000001"], "sector": ["tech"]}), on="symbol"),
    "concat": lambda df: pd.concat([df, df]),
    "groupby": lambda df: df.groupby("symbol", observed=True)[["quantity"]].sum(),
    "query": lambda df: df.query("quantity > 0"),
    "eval": lambda df: df.eval("double = quantity * 2"),
    "sort": lambda df: df.sort_values("quantity", ascending=False),
    "rename": lambda df: df.rename(columns={"price": "last"}),
    "drop": lambda df: df.drop(columns="price"),
    "reset_index": lambda df: df.reset_index(),
    "set_index": lambda df: df.set_index("symbol"),
    "set_axis": lambda df: df.set_axis(range(10, 10 + len(df))),
    "set_flags": lambda df: df.set_flags(allows_duplicate_labels=False),
    "fillna": lambda df: df.fillna({"ask": 0}),
    "pipe": lambda df: df.pipe(lambda other: other.head()),
    "select_dtypes": lambda df: df.select_dtypes("number"),
    "sample": lambda df: df.sample(2, random_state=0),
    "sum": lambda df: df[["quantity"]] + 1,
    "numpy": lambda df: np.abs(df[["price"]]),
    "sqrt": lambda df: np.sqrt(df[["quantity"]].astype("float64")),
    "where": lambda df: df.where(df["quantity"] > 0),
    "reindex": lambda df: df.reindex([0, 1]),
    "astype": lambda df: df.astype({"quantity": "float64"}),
}


def plain(made):
    return type(made) is pd.DataFrame


@pytest.mark.parametrize("derive", DERIVED.values(), ids=DERIVED)
def test_what_is_derived_is_plain_equal_to_pandas_own_and_never_moves(live, derive):
    """The same result as on a plain frame of this moment, of type DataFrame, unmoved by growth, and writable."""
    made = derive(live.df)
    assert plain(made)
    expected = derive(live.df.copy())
    assert_frame_equal(made, expected)
    live.grow(90)
    assert_frame_equal(made, expected)
    made["mine"] = 1
    made.iloc[0, 0] = made.iloc[0, 0]
    assert "mine" not in live.df


@pytest.mark.parametrize("end", ["head", "tail"])
@pytest.mark.parametrize("n", [2, 0, -1, 100])
def test_the_first_and_last_rows_are_those_of_pandas_and_ones_own(live, end, n):
    """However many are asked for; written to, sorted or filled, they change neither the frame nor each other."""
    before = live.df.copy()
    made, other = getattr(live.df, end)(n), getattr(live.df, end)(n)
    assert_frame_equal(made, getattr(before, end)(n))
    made["price"] = 7
    if len(made):
        made.loc[made.index[0], "quantity"] = 99
        made.iloc[:, 0] = made["received_at"].iloc[0]
    assert_frame_equal(other, getattr(before, end)(n))
    assert_frame_equal(live.df.copy(), before)


def test_a_column_is_a_plain_series_of_this_moment(live):
    """df["price"] and df.price stay as they are while the frame grows."""
    by_key, by_name = live.df["price"], live.df.price
    live.grow()
    assert by_key.tolist() == by_name.tolist() == [100, 101, 102]
    assert type(by_key) is pd.Series


@settings(max_examples=12, deadline=None)
@given(st.lists(balance_frames(), max_size=6))
def test_a_live_frame_always_equals_its_table(frames):
    """After each sync the frame is, cell for cell, what its table holds."""
    live = Live(rows=0)
    for number, raw in enumerate(frames):
        live.table.receive(parse(raw), NOON + number)
        live.df._show(live.table.frame())
        assert_frame_equal(pd.DataFrame(live.df), live.table.frame())


def test_export_and_info_work(df):
    """to_csv, to_parquet, to_dict, info, memory_usage, iteration and membership are pandas' own."""
    assert df.to_csv() == df.copy().to_csv()
    out = io.StringIO()
    df.info(buf=out)
    assert "30 columns" in out.getvalue()
    buffer = io.BytesIO()
    df.to_parquet(buffer)
    assert_frame_equal(pd.read_parquet(buffer), df.copy())
    assert df.to_dict() == df.copy().to_dict()
    assert "price" in df
    assert df.equals(df.copy())
    assert df.memory_usage().sum() > 0


def outer(df):
    least = 1  # noqa: F841 - named in the texts
    return len(df.query("quantity >= @least")), df.eval("quantity + @least").tolist()


def test_query_and_eval_see_local_variables(df):
    """@names are looked up where the user wrote them, not inside the wrapper."""
    assert outer(df) == (2, [1, 2, 3])
    assert outer(df.copy()) == outer(df)


# --- kept across growth -----------------------------------------------------------------------------------------

LAZY = {
    "groupby": (lambda df: df.groupby("symbol", observed=True), lambda made: made["quantity"].sum()),
    "groupby object": (lambda df: df.groupby("symbol", observed=True), lambda made: made.obj),
    "rolling": (lambda df: df[["quantity"]].rolling(2), lambda made: made.sum()),
    "rolling on": (lambda df: df.rolling("5s", on="received_at"), lambda made: made["realized_return_pct"].sum()),
    "expanding": (lambda df: df.expanding(), lambda made: made["realized_return_pct"].sum()),
    "ewm": (lambda df: df.ewm(span=3), lambda made: made["realized_return_pct"].mean()),
    "resample": (lambda df: df.resample("1s", on="received_at"), lambda made: made["quantity"].sum()),
    "itertuples": (lambda df: df.itertuples(), lambda made: pd.DataFrame(list(made))),
    "iterrows": (lambda df: df.iterrows(), lambda made: pd.DataFrame([row for _, row in made])),
    "items": (lambda df: df.items(), lambda made: pd.DataFrame(dict(made))),
    "style": (lambda df: df.style, lambda made: made.data),
    "loc": (lambda df: df.loc, lambda made: made[:]),
    "iloc": (lambda df: df.iloc, lambda made: made[:]),
}


@pytest.mark.parametrize(("make", "use"), LAZY.values(), ids=LAZY)
def test_what_looks_again_later_sees_the_moment_it_was_made(live, make, use):
    """A groupby made before growth and used after it gives what it would have given at once."""
    expected = use(make(live.df.copy()))
    made = make(live.df)
    live.grow(90)
    given = use(made)
    (pd.testing.assert_series_equal if isinstance(given, pd.Series) else assert_frame_equal)(given, expected)


def test_style_renders_and_plot_keeps_its_rows(live):
    """Both are made on the rows of this moment."""
    style, plot = live.df.style, live.df.plot
    live.grow()
    assert style.to_html().count("<tr>") == 4
    assert len(plot._parent) == 3


def test_what_is_made_lazily_cannot_change_the_frame(live):
    """Even through the frame that a groupby or a style keeps."""
    for plain_frame in (live.df.groupby("symbol", observed=True).obj, live.df.style.data):
        plain_frame["mine"] = 1
    assert "mine" not in live.df.head()
    assert "mine" not in live.df.columns


def test_attrs_and_flags_of_the_user_survive_growth(live):
    """What the user noted on the frame stays; gaps and rejects are refreshed beside it."""
    live.df.attrs["note"] = "mine"
    live.df.flags.allows_duplicate_labels = False
    live.table.reject(NOON, "noise", "not_json")
    live.grow()
    assert live.df.attrs["note"] == "mine"
    assert "noise" in live.df.attrs[ATTRS_KEY]
    assert live.df.head().attrs == live.df.attrs
    assert live.df[["price"]].attrs == live.df.attrs
    assert live.df.flags.allows_duplicate_labels is False
    live.df.attrs = {"other": 1}
    live.grow()
    assert live.df.attrs["other"] == 1
    assert "note" not in live.df.attrs


def test_attributes_of_the_object_survive_growth(live):
    """A user's own attribute (not a column) stays."""
    live.df.remark = "mine"
    live.grow()
    assert live.df.remark == "mine"


# --- refused ----------------------------------------------------------------------------------------------------


def augmented_frame(df):
    df += 1


def augmented_or(df):
    df |= 1


def augmented_column(df):
    df["price"] += 1


def augmented_attribute(df):
    df.price += 1


def deleted(df):
    del df["price"]


def deleted_attribute(df):
    del df.price


WRITES = {
    "new column": lambda df: df.__setitem__("new", 1),
    "column": lambda df: df.__setitem__("price", 1),
    "columns": lambda df: df.__setitem__(["price", "cost"], 1),
    "mask": lambda df: df.__setitem__(df["price"] > 0, 1),
    "loc": lambda df: df.loc.__setitem__((0, "price"), 1),
    "loc called": lambda df: df.loc(axis=0).__setitem__(0, 1),
    "loc new row": lambda df: df.loc.__setitem__(99, 1),
    "iloc": lambda df: df.iloc.__setitem__((0, 6), 1),
    "at": lambda df: df.at.__setitem__((0, "price"), 1),
    "iat": lambda df: df.iat.__setitem__((0, 6), 1),
    "attribute": lambda df: setattr(df, "price", 1),
    "columns=": lambda df: setattr(df, "columns", range(30)),
    "index=": lambda df: setattr(df, "index", range(3)),
    "insert": lambda df: df.insert(0, "new", 1),
    "isetitem": lambda df: df.isetitem(0, 1),
    "pop": lambda df: df.pop("price"),
    "update": lambda df: df.update(pd.DataFrame({"price": [1]})),
    "numpy out": lambda df: np.add(df[["price"]], 1, out=df),
    "del": deleted,
    "del attribute": deleted_attribute,
    "+= frame": augmented_frame,
    "|= frame": augmented_or,
    "+= column": augmented_column,
    "+= attribute": augmented_attribute,
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_writes_are_refused_with_a_sentence(live, write):
    """ReadOnlyFrame says to take df.copy(); nothing has changed, and the frame goes on growing."""
    before = live.df.copy()
    with pytest.raises(ReadOnlyFrame, match=r"df\.copy\(\)"):
        write(live.df)
    assert_frame_equal(live.df.copy(), before)
    live.grow()
    assert len(live.df) == 5


def in_place_methods():
    public = inspect.getmembers(pd.DataFrame, inspect.isfunction)
    return {
        name: inspect.signature(method).parameters["inplace"]
        for name, method in public
        if not name.startswith("_") and "inplace" in inspect.signature(method).parameters
    }


def test_every_in_place_method_of_the_installed_pandas_is_known():
    """A pandas that adds one fails here; in all of them the parameter is keyword-only, which the refusal counts on."""
    assert set(IN_PLACE) == set(in_place_methods())
    assert {parameter.kind for parameter in in_place_methods().values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_every_augmented_assignment_of_the_installed_pandas_is_known():
    """The same for += and its kin."""
    known = {f"__i{name}__" for name in AUGMENTED}
    possible = {f"__i{name}__" for name in (*AUGMENTED, "lshift", "rshift", "matmul", "concat")}
    assert {name for name in possible if hasattr(pd.DataFrame, name)} == known


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_is_refused_by_every_method_that_has_it(df, name):
    """inplace=True raises before anything is looked at."""
    with pytest.raises(ReadOnlyFrame, match=f"{name}.inplace=True"):
        getattr(df, name)(inplace=True)


# --- shown ------------------------------------------------------------------------------------------------------


def test_repr_is_the_state_line_above_the_rows(live):
    """A print shows what the stream does, then what pandas shows."""
    line, rest = repr(live.df).split("\n", 1)
    assert line == live.line
    assert rest == repr(live.df.copy())
    assert str(live.df) == repr(live.df)


def test_html_escapes_the_state_line(live):
    """What a server said may be in that line; it is text, never markup."""
    shown = live.df._repr_html_()
    assert "live &lt;b&gt;&amp; well&lt;/b&gt;" in shown
    assert live.df.copy()._repr_html_() in shown


def test_no_html_where_the_user_asked_pandas_for_none(live):
    """Then the text representation is shown, as for any frame."""
    with pd.option_context("display.notebook_repr_html", False):
        assert live.df._repr_html_() is None


def test_dir_and_unknown_names_are_pandas_own(df):
    """Completion lists columns; a misspelt column is an AttributeError or a KeyError."""
    assert "price" in dir(df)
    with pytest.raises(AttributeError):
        _ = df.prise
    with pytest.raises(KeyError):
        df["prise"]
