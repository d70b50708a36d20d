"""LiveFrame: a true pandas DataFrame whose rows are added by the source behind it.

Only public pandas API is used: the frame runs ``DataFrame.__init__`` on itself again with a longer zero-copy view.
What is derived from it (a mask, ``head()``, ``copy()``) is a plain DataFrame that never moves. What keeps a
reference to the frame and looks again later (a groupby, a plot) gets a plain view of this moment instead.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final, Protocol, Self

import pandas as pd

from .errors import ReadOnlyFrame
from .told import ATTRS_KEY

# Every method of DataFrame that can work in place (a test compares this with the installed pandas).
IN_PLACE: Final = (
    "bfill",
    "clip",
    "drop",
    "drop_duplicates",
    "dropna",
    "eval",
    "ffill",
    "fillna",
    "interpolate",
    "mask",
    "query",
    "rename",
    "rename_axis",
    "replace",
    "reset_index",
    "set_index",
    "sort_index",
    "sort_values",
    "where",
)
# What Python calls for ``df += 1``; pandas would change the frame itself.
AUGMENTED: Final = ("add", "and", "floordiv", "mod", "mul", "or", "pow", "sub", "truediv", "xor")
# What looks at the frame again after it was made: on a frame that grew meanwhile pandas raises or mixes lengths.
LAZY: Final = ("ewm", "expanding", "groupby", "items", "iterrows", "itertuples", "resample", "rolling")

# Front ends break cells over lines, names in Hangul after each syllable, and rows grow three lines high.
_STYLE: Final = "<style>.kiwoom-nb td, .kiwoom-nb th { white-space: nowrap !important; }</style>"


class Source(Protocol):
    """What stands behind a live frame: a stream or a replay."""

    def state_line(self) -> str:
        """Return a sentence on what the source is doing, for above the rows."""
        ...


class LiveFrame(pd.DataFrame):
    """A read-only DataFrame that grows by itself; take ``df.copy()`` for a plain one that can be written.

    Rows appear between two steps of the event loop, never inside an expression: within a cell that does not await,
    the frame stands still.
    """

    # Names that pandas keeps out of its own bookkeeping; its guide to subclassing documents them.
    _internal_names: ClassVar[list[str]] = [*pd.DataFrame._internal_names, "_source", "_view"]  # type: ignore[attr-defined]  # noqa: SLF001
    _internal_names_set: ClassVar[set[str]] = set(_internal_names)

    _source: Source
    _view: pd.DataFrame

    def __init__(self, view: pd.DataFrame, source: Source) -> None:
        super().__init__(view)  # type: ignore[call-arg]  # the stubs know __new__ only
        object.__setattr__(self, "_source", source)
        self._show(view)

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        return pd.DataFrame

    def _show(self, view: pd.DataFrame) -> None:
        """Show the rows of ``view`` from now on; ``attrs`` and ``flags`` that the user set stay."""
        attrs = {key: value for key, value in self.attrs.items() if key != ATTRS_KEY}
        duplicates = self.flags.allows_duplicate_labels
        super().__init__(view)  # type: ignore[call-arg]
        self.attrs = {**attrs, **view.attrs}
        self.flags.allows_duplicate_labels = duplicates  # type: ignore[attr-defined]
        object.__setattr__(self, "_view", view)

    # --- shown ------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        """Return the rows as pandas prints them, under a line on what the stream is doing."""
        return f"{self._source.state_line()}\n{self._view!r}"

    def _repr_html_(self) -> str | None:
        import html

        table = self._view._repr_html_()  # type: ignore[operator]
        if table is None:  # the user asked pandas for plain text
            return None
        line = html.escape(self._source.state_line())
        return (
            f'<div class="kiwoom-nb">{_STYLE}<p style="margin:0 0 .4em;opacity:.75">{line}</p>'
            f'<div style="overflow-x:auto">{table}</div></div>'
        )

    # --- plain copies -----------------------------------------------------------------------------------------

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        """Pickle as a plain DataFrame of this moment."""
        return _as_it_is, (self._own(),)

    def _plain(self) -> pd.DataFrame:
        """Return the rows of this moment as a plain frame, not to be written; what is derived from it may be."""
        self._view.attrs = self.attrs
        return self._view

    def _own(self) -> pd.DataFrame:
        """Return the rows of this moment as a plain frame of its own, for what hands it on (``groupby(...).obj``)."""
        return self._plain().copy(deep=False)

    # pandas builds what it derives from a subclass twice (0.3 ms each time); what is asked most goes past that. Its
    # head and tail also copy the few rows (0.5 ms); ours are views, which pandas copies before a write as any slice.

    def __getitem__(self, key: Any) -> Any:
        """Return a column, some columns, or the rows of a mask: plain, of this moment."""
        return self._plain()[key]

    def head(self, n: int = 5) -> pd.DataFrame:  # type: ignore[misc,override]  # plain, not a LiveFrame
        """Return the first ``n`` rows."""
        return self._plain().iloc[:n]

    def tail(self, n: int = 5) -> pd.DataFrame:  # type: ignore[misc,override]
        """Return the last ``n`` rows."""
        return self._plain().iloc[-n:] if n else self._plain().iloc[:0]

    # --- refused ----------------------------------------------------------------------------------------------

    def __setitem__(self, key: Any, value: Any) -> None:
        """Refuse to set a column."""
        raise ReadOnlyFrame(f"df[{key!r}] = ...")

    def __delitem__(self, key: Any) -> None:  # type: ignore[misc]
        """Refuse to drop a column."""
        raise ReadOnlyFrame(f"del df[{key!r}]")

    def __setattr__(self, name: str, value: Any) -> None:
        """Refuse to set columns, index, flags or a column; anything else is an attribute of the object."""
        if name in {"columns", "index"} or name in self.columns:
            raise ReadOnlyFrame(f"df.{name} = ...")
        super().__setattr__(name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse to drop a column."""
        if name in self.columns:
            raise ReadOnlyFrame(f"del df.{name}")
        super().__delattr__(name)

    def insert(self, loc: int, column: Any, *_: Any, **__: Any) -> None:
        """Refuse to insert a column."""
        raise ReadOnlyFrame(f"df.insert({loc!r}, {column!r}, ...)")

    def pop(self, item: Any) -> pd.Series[Any]:
        """Refuse to take a column out."""
        raise ReadOnlyFrame(f"df.pop({item!r})")

    def isetitem(self, loc: Any, *_: Any, **__: Any) -> None:
        """Refuse to set a column."""
        raise ReadOnlyFrame(f"df.isetitem({loc!r}, ...)")

    def update(self, *_: Any, **__: Any) -> None:
        """Refuse to overwrite values."""
        raise ReadOnlyFrame("df.update(...)")

    @property
    def loc(self) -> Any:
        """Rows and columns by label, to read."""
        return _ReadOnlyIndexer(self._plain().loc, "loc")

    @property
    def iloc(self) -> Any:
        """Rows and columns by position, to read."""
        return _ReadOnlyIndexer(self._plain().iloc, "iloc")

    @property
    def at(self) -> Any:
        """One value by label, to read."""
        return _ReadOnlyIndexer(self._plain().at, "at")

    @property
    def iat(self) -> Any:
        """One value by position, to read."""
        return _ReadOnlyIndexer(self._plain().iat, "iat")

    # --- of this moment ---------------------------------------------------------------------------------------

    @property
    def plot(self) -> Any:
        """Plot the rows of this moment."""
        return self._own().plot

    @property
    def style(self) -> Any:
        """Style the rows of this moment."""
        return self._own().style


def _as_it_is(frame: pd.DataFrame) -> pd.DataFrame:
    return frame


class _ReadOnlyIndexer:
    """An indexer of pandas that reads and does not write."""

    def __init__(self, indexer: Any, name: str) -> None:
        self._indexer = indexer
        self._name = name

    def __getitem__(self, key: Any) -> Any:
        return self._indexer[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        raise ReadOnlyFrame(f"df.{self._name}[...] = ...")

    def __call__(self, axis: Any = None) -> Self:
        return type(self)(self._indexer(axis=axis), self._name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._indexer, name)


def _refuse_in_place(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def checked(self: LiveFrame, *args: Any, **kwargs: Any) -> Any:
        if kwargs.get("inplace"):  # keyword-only in all of them
            raise ReadOnlyFrame(f"df.{method.__name__}(inplace=True)")
        if method.__name__ in {"eval", "query"}:  # @names are looked up so many calls above; this is one more
            kwargs["level"] = kwargs.get("level", 0) + 1
        return method(self._plain(), *args, **kwargs)

    return checked


def _on_plain(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def of_this_moment(self: LiveFrame, *args: Any, **kwargs: Any) -> Any:
        return method(self._own(), *args, **kwargs)

    return of_this_moment


def _refuse_augmented(name: str) -> Callable[..., Any]:
    def refused(_: LiveFrame, __: Any) -> Any:
        raise ReadOnlyFrame(f"an augmented assignment to the whole frame ({name})")

    return refused


def _wrapped() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in IN_PLACE:
        yield name, _refuse_in_place(getattr(pd.DataFrame, name))
    for name in LAZY:
        yield name, _on_plain(getattr(pd.DataFrame, name))
    for name in AUGMENTED:
        yield f"__i{name}__", _refuse_augmented(f"__i{name}__")


for _name, _method in _wrapped():
    setattr(LiveFrame, _name, _method)
