"""The page of coverage has the counts of the installed frameworks, and no loss of theirs is on no list."""

from coverage_page import PAGE, found_here, measured, page, written

from reflosses.frameworks.function import frameworks


def test_the_page_is_that_of_the_installed_versions() -> None:
    lines = written()
    assert list(lines) == [framework.name for framework in frameworks() if framework.offers]
    assert {name: lines[name] for name in measured()} == measured()
    assert PAGE.read_text("utf-8") == page(lines)


def test_every_loss_of_a_framework_is_on_a_list_and_some_have_a_row() -> None:
    assert len(found_here()) >= 3
    for found in found_here():
        assert found.error == ""
        assert found.losses["unlisted"] == [], found.framework
        assert found.counts[1] > 0, found.framework
