import io

import pytest

from s2s_zoo.data import read_lines, read_pairs
from s2s_zoo.protocol.errors import DataError


@pytest.fixture
def write(tmp_path):
    def write(content, name="data.tsv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_a_list_a_tsv_and_parallel_files_give_the_same_pairs(write):
    expected = [("a dog", "ein Hund"), ("a cat", "eine Katze")]
    tsv = write("a dog\tein Hund\na cat\teine Katze\n")
    files = write("a dog\na cat\n", "x.en"), write("ein Hund\neine Katze", "x.de")
    assert read_pairs(expected) == expected
    assert read_pairs(tuple(expected)) == expected
    assert read_pairs(iter([list(pair) for pair in expected])) == expected
    assert read_pairs(tsv) == read_pairs(str(tsv)) == expected
    assert read_pairs(files) == read_pairs(tuple(map(str, files))) == expected


def test_swap_exchanges_the_columns(write):
    assert read_pairs(write("a dog\tein Hund\n"), swap=True) == [("ein Hund", "a dog")]
    assert read_pairs([("a", "b")], swap=True) == [("b", "a")]


def test_further_columns_are_ignored(write):
    assert read_pairs(write("a\tb\tCC-BY someone\n")) == [("a", "b")]


def test_only_newlines_end_a_line(write):
    odd = "a\u2028b\x0bc\x0cd\x1ce\x85f\rg"
    path = write(f"{odd}\r\nsecond\n\nlast", "odd.txt")
    assert list(read_lines(path)) == [odd, "second", "", "last"]
    other = write("1\n2\n3\n4", "other.txt")
    with pytest.warns(UserWarning, match="Skipped 1 of 4"):
        assert read_pairs((path, other)) == [(odd, "1"), ("second", "2"), ("last", "4")]


def test_a_byte_order_mark_is_no_text(write):
    assert list(read_lines(write(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n"))) == ["a", "\ufeffb"]


def test_lines_of_an_open_file():
    assert list(read_lines(io.BytesIO(b"a\nb"))) == ["a", "b"]


@pytest.mark.parametrize("blank", ["", "  ", "\u3000 \u2003"])
def test_blank_pairs_are_skipped_with_one_warning(blank):
    data = [("a", "b"), (blank, "b"), ("a", blank), ("c", "d")]
    with pytest.warns(UserWarning, match="Skipped 2 of 4 pairs") as warned:
        assert read_pairs(data) == [("a", "b"), ("c", "d")]
    assert len(warned) == 1


def test_empty_tsv_lines_are_blank_pairs(write):
    path = write("a\tb\n\n\tx\n")
    with pytest.warns(UserWarning, match="Skipped 2 of 3 pairs in .*data.tsv"):
        assert read_pairs(path) == [("a", "b")]


def test_a_missing_column_names_file_and_line(write):
    with pytest.raises(DataError, match=r"data\.tsv, line 2: .*'no tab here'.*Add the missing"):
        read_pairs(write("a\tb\nno tab here\n"))


def test_invalid_utf8_names_file_and_line(write):
    with pytest.raises(DataError, match=r"data\.tsv, line 2: not valid UTF-8 at byte 4"):
        read_pairs(write(b"a\tb\ncaf\xe9\tx\n"))


def test_a_nul_byte_names_file_and_line(write):
    with pytest.raises(DataError, match=r"data\.tsv, line 1: a NUL byte"):
        list(read_lines(write(b"a\0b\tc\n")))


@pytest.mark.parametrize("counts", [(2, 3), (5, 1)])
def test_parallel_files_of_different_length(write, counts):
    source, target = (write("x\n" * n, f"{i}.txt") for i, n in enumerate(counts))
    message = rf"0\.txt has {counts[0]} lines and .*1\.txt has {counts[1]}\."
    with pytest.raises(DataError, match=message):
        read_pairs((source, target))


@pytest.mark.parametrize("data", [[], ()])
def test_no_pairs(data):
    with pytest.raises(DataError, match="the list holds no sentence pair"):
        read_pairs(data)


def test_no_pairs_in_a_file(write):
    with pytest.raises(DataError, match=r"data\.tsv holds no sentence pair \(0 blank\)"):
        read_pairs(write(""))
    with pytest.raises(DataError, match=r"data\.tsv holds no sentence pair \(2 blank\)"):
        read_pairs(write("\n\n"))


@pytest.mark.parametrize("bad", ["text", ("a",), ("a", "b", "c"), ("a", None), 3])
def test_what_is_no_pair_is_named(bad):
    with pytest.raises(DataError, match="Pair 1 of the list: expected .source, target."):
        read_pairs([("a", "b"), bad])


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"absent\.tsv cannot be read: No such file"):
        read_pairs(tmp_path / "absent.tsv")
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_pairs(tmp_path)
