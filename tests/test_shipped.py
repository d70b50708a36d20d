"""Where the shipped folders are."""

from __future__ import annotations

from kiwoom_nb import shipped


def test_in_a_clone_they_stand_beside_the_package():
    """An editable install works on the notebooks of the clone, not on copies."""
    assert shipped.is_clone()
    assert (shipped.folder("notebooks") / "README.md").exists()
    assert (shipped.folder("sample_data") / "busy.jsonl").exists()


def test_in_a_wheel_they_are_inside_the_package(monkeypatch, tmp_path):
    """A plain install has no clone around it (.ci/run installs the real wheel and looks)."""
    (tmp_path / "shipped_files" / "sample_data").mkdir(parents=True)
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path)
    assert not shipped.is_clone()
    assert shipped.folder("sample_data") == tmp_path / "shipped_files" / "sample_data"
