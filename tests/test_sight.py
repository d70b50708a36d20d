"""Whether anybody sees the dashboard, as its pages say it."""

from kiwoom_nb.sight import SILENT, Sight


class Pages:
    """A Sight, what it reported, and a clock."""

    def __init__(self):
        self.now = 0.0
        self.reports = []
        self.sight = Sight(lambda: self.reports.append(self.sight.is_seen), lambda: self.now)

    def say(self, kind, page="a"):
        self.sight.hear({"kind": kind, "page": page})


def test_until_a_page_speaks_it_counts_as_seen():
    """A script and nbclient have no page that could speak; changes alone never make it unseen."""
    pages = Pages()
    for _ in range(3):
        pages.sight.sent()
        pages.now += 10 * SILENT
    assert pages.sight.is_seen
    assert pages.reports == []


def test_it_is_seen_while_any_page_looks():
    """Reported are only the first that looks and the last that looks away."""
    pages = Pages()
    pages.say("look", "a")
    pages.say("look", "b")
    pages.say("away", "a")
    assert pages.reports == []
    pages.say("away", "b")
    pages.say("away", "b")
    assert pages.reports == [False]
    pages.say("look", "a")
    assert pages.reports == [False, True]


def test_a_page_without_any_view_makes_it_unseen():
    """A page that opens and shows nothing of it says that it has looked away."""
    pages = Pages()
    pages.say("away")
    assert not pages.sight.is_seen


def test_a_page_that_no_longer_answers_is_taken_to_be_gone():
    """It crashed: after a minute in which changes went without an answer, nobody looks."""
    pages = Pages()
    pages.say("look")
    for _ in range(8):
        pages.sight.sent()
        pages.now += SILENT / 8
    assert pages.sight.is_seen
    pages.now += 1
    pages.sight.sent()
    assert not pages.sight.is_seen
    assert pages.reports == [False]


def test_a_silence_without_changes_says_nothing_about_a_page():
    """After hours in which nothing arrived it still looks: it answers what is sent, and nothing was."""
    pages = Pages()
    pages.say("look")
    pages.now += 100 * SILENT
    pages.sight.sent()
    pages.now += SILENT / 2
    pages.say("look")  # the answer
    pages.now += 100 * SILENT
    pages.sight.sent()
    assert pages.sight.is_seen


def test_one_that_was_taken_to_be_gone_is_back_with_its_next_word():
    """The kernel was busy for minutes, and the answers lay waiting."""
    pages = Pages()
    pages.say("look")
    pages.sight.sent()
    pages.now += 2 * SILENT
    pages.sight.sent()
    pages.say("look")
    assert pages.reports == [False, True]


def test_nonsense_of_a_page_changes_nothing():
    """A page may send anything."""
    pages = Pages()
    for message in (None, "look", 7, {}, {"kind": "dance", "page": "a"}, {"kind": ["look"]} | {"kind": "x"}):
        pages.sight.hear(message)
    assert pages.sight.is_seen
    assert pages.reports == []
