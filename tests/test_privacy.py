import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kiwoom_nb.privacy import is_masked, mask_account, mask_accounts, mask_text

ACCOUNTS = st.text("0123456789", min_size=8, max_size=12)
ODD = st.text("x0123456789#-가", min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("accounts", "labels"),
    [
        ([], []),
        (["1234561111"], ["xxxxxx1111"]),
        (["1234561111", "1234562222"], ["xxxxxx1111", "xxxxxx2222"]),
        (["1234561111", "1234571111"], ["xxxxx61111", "xxxxx71111"]),
        (["1234561111", "1234571111", "5555552222"], ["xxxxx61111", "xxxxx71111", "xxxxxx2222"]),
        (["1234561111", "1233561111"], ["xxxx561111", "xxxx561111#2"]),
        (["1234561111", "9234561111"], ["xxxx561111", "xxxx561111#2"]),
        (["12345678"], ["xxxx5678"]),
        (["12345"], ["xxxx5"]),
        (["1234"], ["xxxx"]),
        (["12", "34"], ["xx", "xx#2"]),
        (["xxxxxx1111"], ["xxxxxx1111"]),
        (["xxxxxx1111", "1234561111"], ["xxxxxx1111", "xxxxx61111"]),
        (["xxxx561111", "xxxx561111#2"], ["xxxx561111", "xxxx561111#2"]),
        (["x1234561111"], ["xxxxxxx1111"]),
    ],
)
def test_an_account_shows_its_last_digits(accounts, labels):
    """Four of them, more where two accounts would look alike, and a number where the difference stays hidden."""
    assert mask_accounts(accounts) == labels


@given(st.lists(ACCOUNTS | ODD, unique=True, max_size=6))
@example(["1234561111", "1233561111", "xxxx561111#2"])
def test_labels_tell_accounts_apart(accounts):
    """Two accounts of a frame never share a label."""
    labels = mask_accounts(accounts)
    assert len(labels) == len(accounts)
    assert len(set(labels)) == len(labels)


@given(st.lists(ACCOUNTS, unique=True, max_size=6))
def test_at_least_four_digits_stay_hidden(accounts):
    """However alike the accounts are."""
    for account, label in zip(accounts, mask_accounts(accounts), strict=True):
        assert label.startswith("xxxx")
        assert account not in label
        assert len(label.partition("#")[0]) == len(account)


@given(st.lists(ACCOUNTS, unique=True, max_size=6))
def test_masking_what_is_masked_changes_nothing(accounts):
    """A loaded frame may be masked already."""
    labels = mask_accounts(accounts)
    assert mask_accounts(labels) == labels


def test_thousands_of_accounts_are_labelled_quickly():
    """A server gone wild must not stop the notebook."""
    accounts = [f"{number:06}1111" for number in range(20_000)]
    assert len(set(mask_accounts(accounts))) == 20_000


def test_a_text_loses_the_accounts_that_are_known():
    """A value that could not be read may hold the number of the account."""
    labels = {"1234561111": "xxxxxx1111"}
    assert mask_text("at 1234561111, 987654321", labels, whole=False) == "at xxxxxx1111, 987654321"


def test_a_whole_frame_loses_any_long_number():
    """It was not decoded: nobody knows which of its numbers is the account."""
    text = '{"9201":"1234561111","9001":"005930","930":"102"}'
    assert mask_text(text, {}, whole=True) == '{"9201":"xxxxxx1111","9001":"005930","930":"102"}'


def test_a_short_account_inside_a_long_one_does_not_spoil_its_mask():
    """The longer one is replaced first."""
    labels = {"23456": "xxxx6", "1234561111": "xxxxxx1111"}
    assert mask_text("1234561111 23456", labels, whole=False) == "xxxxxx1111 xxxx6"


@given(ACCOUNTS.filter(lambda account: len(account) >= 9), st.text("ab :,", max_size=5), st.booleans())
def test_no_masked_text_holds_the_account(account, around, whole):
    """Wherever it stands."""
    labels = dict(zip([account], mask_accounts([account]), strict=True))
    assert account not in mask_text(around + account + around, labels, whole=whole)


def test_a_label_is_given_that_is_not_taken():
    """With more digits first, numbered only when all of them but one are shown."""
    taken = []
    for account in ("1234561111", "6543211111", "9943211111", "1111111111"):
        taken.append(mask_account(account, taken))
    assert taken == ["xxxxxx1111", "xxxxx11111", "xxxx211111", "xxxx111111"]
    short = [mask_account("1234", ["xxxx"][:taken]) for taken in (0, 1)]
    assert short == ["xxxx", "xxxx#2"]


def test_labels_and_pseudonyms_are_masked_already():
    """An account number is not."""
    assert all(map(is_masked, ("xxxxxx1111", "xxxx#2", "account-0123abcd")))
    assert not any(map(is_masked, ("1234561111", "account-1", "")))
    assert mask_accounts(["account-0123abcd"]) == ["account-0123abcd"]
