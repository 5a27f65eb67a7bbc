"""Submissions, details and groups: the official form written, every spelling read, bad rows named."""

import csv
import os
import stat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from matcher.errors import FormatError, MatcherError
from matcher.formats.columns import read_columns, read_groups, read_ids
from matcher.formats.details import DETAILS
from matcher.formats.files import atomic_write
from matcher.formats.submission import read_submission, write_submission
from matcher.placements import Placements
from matcher.result import Result, read_details

WHOLE = st.integers(0, 2**63 - 1)


def placements(*rows):
    return Placements(*np.array(rows, np.int64).reshape(-1, 4).T.copy())


def rows_of(p):
    return list(zip(p.ids.tolist(), p.image.tolist(), p.x.tolist(), p.y.tolist(), strict=True))


def result(n=3, seed=0):
    rng = np.random.default_rng(seed)
    whole = [rng.integers(0, 1000, n) for _ in range(5)]
    real = [draw(size=n).astype(np.float32) for draw in (rng.normal, rng.normal, rng.random)]
    reason = tuple(["", 'half "clouded", flat', "two\nlines", "flach, übrig"][k % 4] for k in range(n))
    _, image, x, y, second = whole
    ids = rng.permutation(1000)[:n]
    return Result(ids, image, x, y, real[0], second, real[1], real[2], reason)


class TestSubmission:
    def test_official_form(self, tmp_path):
        write_submission(tmp_path / "s.csv", placements((17, 192, 219, 143), (3, 0, 0, 448)))
        assert (tmp_path / "s.csv").read_bytes() == b"Patch ID,Result\n17,192 219 143\n3,0 0 448\n"

    def test_swapped_order(self, tmp_path):
        rows = placements((17, 192, 219, 143))
        write_submission(tmp_path / "s.csv", rows, xy_order="yx")
        assert (tmp_path / "s.csv").read_bytes() == b"Patch ID,Result\n17,192 143 219\n"
        assert rows_of(read_submission(tmp_path / "s.csv", xy_order="yx")) == [(17, 192, 219, 143)]
        assert rows_of(read_submission(tmp_path / "s.csv")) == [(17, 192, 143, 219)]
        for call in (read_submission, lambda *a, **k: write_submission(a[0], rows, **k)):
            with pytest.raises(MatcherError, match=r"^xy_order 'zz': choose from xy, yx"):
                call(tmp_path / "s.csv", xy_order="zz")

    @given(st.lists(st.tuples(WHOLE, WHOLE, WHOLE, WHOLE), min_size=1, unique_by=lambda row: row[0]))
    def test_round_trip(self, tmp_path_factory, rows):
        path = tmp_path_factory.mktemp("s") / "s.csv"
        write_submission(path, placements(*rows))
        found = read_submission(path)
        assert rows_of(found) == rows
        assert found.ids.dtype == found.x.dtype == np.int64

    @pytest.mark.parametrize(
        "text",
        [
            "Patch ID,Result\n17,192 219 143\n",
            "Patch ID,Result\n17,192 219 143",
            "Patch ID,Result\r\n17,192 219 143\r\n",
            "Patch ID,Result\r17,192 219 143\r",
            "\ufeffPatch ID,Result\n17,192 219 143\n",
            "Patch ID,Result\n17,192,219,143\n",
            'Patch ID,Result\n17,"192,219,143"\n',
            'Patch ID,Result\n17,"192, 219, 143"\n',
            '"Patch ID","Result"\n"17","192 219 143"\n',
            "\n  \nPatch ID,Result\n\n17,192 219 143\n\n \n,\n",
            "Patch ID, Result\n 17 , 192  219\t143 \n",
            "patch_id,result\n17, 192, 219, 143\n",
            "PATCH ID,RESULT\n017,+192 219 0143\n",
        ],
    )
    def test_spellings(self, tmp_path, text):
        (tmp_path / "s.csv").write_bytes(text.encode())
        assert rows_of(read_submission(tmp_path / "s.csv")) == [(17, 192, 219, 143)]

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "line 1: expected the header 'Patch ID,Result', found ''"),
            ("17,192 219 143\n", "line 1: expected the header 'Patch ID,Result', found '17,192"),
            ("Patch,Result\n17,192 219 143\n", "line 1: expected the header"),
            ("Patch ID,Result\n", "has no row"),
            ("Patch ID,Result\n1,2 3 4\n17,192 219\n", "line 3: expected a patch id and three.*'17,192 219'"),
            ("Patch ID,Result\n17,192 219 143 5\n", "line 2"),
            ("Patch ID,Result\n17,192,219,143,5\n", "line 2"),
            ("Patch ID,Result\n17\n", "line 2"),
            ("Patch ID,Result\n17,\n", "line 2"),
            ("Patch ID,Result\n,192 219 143\n", "line 2"),
            ("Patch ID,Result\n17,192 219 14.5\n", "line 2"),
            ("Patch ID,Result\n17,192 219 nan\n", "line 2"),
            ("Patch ID,Result\n17,192 219 1e2\n", "line 2"),
            ("Patch ID,Result\n17,192 219 ١٢\n", "line 2"),
            ("Patch ID,Result\n17,192 219 9223372036854775808\n", "line 2"),
            ("Patch ID;Result\n17;192 219 143\n", "line 1"),
            ("Patch ID,Result\n\n-1,192 219 143\n", "line 3: the patch id -1 is negative"),
            ("Patch ID,Result\n5,1 2 3\n\n5,1 2 3\n", "line 4: patch 5 was answered in line 2 already"),
            ('Patch ID,Result\n5,"1 2 3\n', "line 2: is not CSV"),
        ],
    )
    def test_malformed_rows_are_named(self, tmp_path, text, words):
        (tmp_path / "s.csv").write_bytes(text.encode())
        with pytest.raises(FormatError, match=words) as caught:
            read_submission(tmp_path / "s.csv")
        assert str(tmp_path / "s.csv") in str(caught.value)

    def test_other_files(self, tmp_path):
        with pytest.raises(FormatError, match="there is no such file"):
            read_submission(tmp_path / "none.csv")
        with pytest.raises(FormatError, match="directory"):
            read_submission(tmp_path)
        (tmp_path / "s.csv").write_bytes(b"\xff\xfe\x00binary")
        with pytest.raises(FormatError, match="UTF-8"):
            read_submission(tmp_path / "s.csv")
        (tmp_path / "s.csv").write_bytes(b"Patch ID,Result\n1,2 3 \x004\n")
        with pytest.raises(FormatError, match=r"s\.csv"):
            read_submission(tmp_path / "s.csv")

    @given(st.binary(max_size=120))
    def test_any_bytes_are_read_or_refused(self, tmp_path_factory, data):
        path = tmp_path_factory.mktemp("s") / "s.csv"
        path.write_bytes(b"Patch ID,Result\n" + data)
        try:
            assert len(read_submission(path)) > 0
        except FormatError as error:
            assert str(path) in str(error)  # noqa: PT017


class TestDetails:
    def test_official_header(self, tmp_path):
        result().to_details(tmp_path / "d.csv")
        header = "patch_id,image_id,x,y,score,runner_up_image_id,runner_up_score,confidence,reason"
        assert (tmp_path / "d.csv").read_text().splitlines()[0] == header == ",".join(DETAILS)

    @pytest.mark.parametrize("n", [0, 1, 50])
    def test_round_trip(self, tmp_path, n):
        wanted = result(n)
        if n:
            wanted.score[0] = wanted.runner_up_score[0] = np.nan
            wanted.runner_up_image[0] = -1
        wanted.to_details(tmp_path / "d.csv")
        found = read_details(tmp_path / "d.csv")
        for name in ("ids", "image", "x", "y", "score", "runner_up_image", "runner_up_score", "confidence"):
            a, b = getattr(found, name), getattr(wanted, name)
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
        assert found.reason == wanted.reason

    def test_missing_values_are_empty(self, tmp_path):
        wanted = result(1)
        wanted.score[0] = wanted.runner_up_score[0] = np.nan
        wanted.runner_up_image[0] = -1
        wanted.to_details(tmp_path / "d.csv")
        row = (tmp_path / "d.csv").read_text().splitlines()[1].split(",")
        assert [row[k] for k in (4, 5, 6, 8)] == [""] * 4

    def test_refused_answers_are_in_no_image(self, tmp_path):
        wanted = result(4)
        wanted.confidence[:] = [0.2, 0.9, 0.5, 0.49]
        wanted = wanted.refuse(0.5)
        assert wanted.refused.tolist() == [True, False, False, True]
        wanted.to_details(tmp_path / "d.csv")
        with open(tmp_path / "d.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["image_id"] for row in rows] == ["none", *map(str, wanted.image[1:3]), "none"]
        assert (rows[0]["x"], rows[0]["y"], rows[0]["confidence"]) == ("", "", "0.2")
        found = read_details(tmp_path / "d.csv")
        assert found.refused.tolist() == wanted.refused.tolist()
        assert found.image.tolist() == [-1, *wanted.image[1:3].tolist(), -1]
        assert found.reason == wanted.reason
        found.to_details(tmp_path / "again.csv")
        assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "d.csv").read_bytes()

    def test_a_submission_holds_the_guess_and_is_not_made_without_it(self, tmp_path):
        wanted = result(3).refuse(1)
        wanted.to_submission(tmp_path / "s.csv")
        assert rows_of(read_submission(tmp_path / "s.csv")) == rows_of(wanted)
        wanted.to_details(tmp_path / "d.csv")
        with pytest.raises(MatcherError, match=r"t\.csv: patch \d+ was refused.*match again with -o"):
            read_details(tmp_path / "d.csv").to_submission(tmp_path / "t.csv")
        assert not (tmp_path / "t.csv").exists()

    @pytest.mark.parametrize(
        "row",
        [
            "1,none,3,4,1,1,1,1,",
            "1,none,,,1,1,1,",
            "1,2,3",
            "a,1,1,1,1,1,1,1,",
            "1,1,1,1,x,1,1,1,",
            "1,1,1,1,inf,1,1,1,",
            "1,1,1,1,1,1,1,1.5,",
            "1,1,1,1,1,1,1,-0.1,",
            f"{2**64},1,1,1,1,1,1,1,",
        ],
    )
    def test_malformed_rows_are_named(self, tmp_path, row):
        (tmp_path / "d.csv").write_text(",".join(DETAILS) + f"\n{row}\n")
        with pytest.raises(FormatError, match=r"d\.csv"):
            read_details(tmp_path / "d.csv")
        (tmp_path / "d.csv").write_text("patch_id\n")
        with pytest.raises(FormatError, match="line 1: expected the header"):
            read_details(tmp_path / "d.csv")

    def test_a_doubled_row_is_told(self, tmp_path):
        result(3).to_details(tmp_path / "d.csv")
        with open(tmp_path / "d.csv", "a") as file:
            file.write((tmp_path / "d.csv").read_text().splitlines()[1] + "\n")
        with pytest.raises(FormatError, match=r"line \d: patch .* stands in line 2 already"):
            read_details(tmp_path / "d.csv")

    def test_a_result_is_placements(self, tmp_path):
        wanted = result(5)
        assert isinstance(wanted, Placements)
        wanted = Result(np.arange(5), *(getattr(wanted, k) for k in list(vars(wanted))[1:]))
        wanted.to_submission(tmp_path / "s.csv")
        assert rows_of(read_submission(tmp_path / "s.csv")) == rows_of(wanted)


class TestGroups:
    def read(self, tmp_path, text, **options):
        (tmp_path / "g.csv").write_text(text)
        return read_groups(tmp_path / "g.csv", **options)

    def test_which_column(self, tmp_path):
        text = "Patch ID,place,group\n3,Bonn,city\n1,Deurne,bog\n"
        assert self.read(tmp_path, text) == {3: "city", 1: "bog"}
        assert self.read(tmp_path, text, column="place") == {3: "Bonn", 1: "Deurne"}
        assert self.read(tmp_path, "Patch ID,cover,season\n3,forest,summer\n") == {3: "forest"}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("", "line 1: expected a header"),
            ("Patch ID\n1\n", "line 1: expected a header"),
            ("1,city\n2,bog\n", "line 1: expected a header"),
            ("Patch ID,group\n", "has no row"),
            ("Patch ID,group\n1,city\nx,bog\n", "line 3: expected a patch id"),
            ("Patch ID,group\n1\n", "line 2: expected a patch id and 1 more"),
            ("Patch ID,group\n1,a\n1,a\n", "line 3: patch 1 stands in line 2"),
            (",group\n0,a\n", "line 1: its first column has no name, as the index that pandas writes"),
            (",Patch ID\n0,7\n", "line 1: every column needs a name"),
            ("Patch ID,group,\n1,a,b\n", "line 1: every column needs a name"),
            ("Patch ID,group,group\n1,a,b\n", "line 1: every column needs a name"),
            ("Patch ID,group,patch_id\n1,a,1\n", "line 1: has the column 'Patch ID' twice"),
        ],
    )
    def test_malformed_files(self, tmp_path, text, words):
        with pytest.raises(FormatError, match=words):
            self.read(tmp_path, text)

    @pytest.mark.parametrize(
        "text",
        [
            ",Patch ID,group\n0,3,one\n1,2,two\n",
            "group,Patch ID\none,3\ntwo,2\n",
            "Unnamed: 0,patch_id,group\n0,3,one\n1,2,two\n",
        ],
    )
    def test_the_column_called_patch_id_has_the_ids(self, tmp_path, text):
        """Wherever it stands, and beside an index that pandas wrote."""
        path = tmp_path / "g.csv"
        path.write_text(text)
        assert read_groups(path, "group") == {3: "one", 2: "two"}
        columns = read_columns(path)
        assert columns["group"] == {3: "one", 2: "two"}
        assert set(columns) <= {"group", "Unnamed: 0"}
        assert read_ids(path) == (3, 2)

    @pytest.mark.parametrize(
        ("text", "ids"),
        [
            ("3\n2\n", (3, 2)),
            ("id\n3\n2\n", (3, 2)),
            (",Patch ID\n0,3\n1,2\n", (3, 2)),
            ("3,a\n2,b\n", (3, 2)),
        ],
    )
    def test_ids_that_must_be_answered(self, tmp_path, text, ids):
        (tmp_path / "ids.csv").write_text(text)
        assert read_ids(tmp_path / "ids.csv") == ids

    def test_an_index_is_not_taken_for_ids(self, tmp_path):
        (tmp_path / "ids.csv").write_text(",x\n0,7\n1,9\n")
        with pytest.raises(FormatError, match="its first column has no name"):
            read_ids(tmp_path / "ids.csv")
        (tmp_path / "s.csv").write_text(",Patch ID,Result\n0,3,1 2 3\n")
        with pytest.raises(FormatError, match=r"found ',Patch ID,Result'; .*index=False"):
            read_submission(tmp_path / "s.csv")

    def test_a_column_that_is_not_there(self, tmp_path):
        with pytest.raises(FormatError, match="no column 'season'; it has cover"):
            self.read(tmp_path, "Patch ID,cover\n3,forest\n", column="season")


class TestAtomicWriting:
    def test_a_failure_leaves_what_was_there(self, tmp_path):
        (tmp_path / "a").write_text("before")

        def fail():
            with atomic_write(tmp_path / "a", "w") as file:
                file.write("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fail()
        assert (tmp_path / "a").read_text() == "before"
        assert os.listdir(tmp_path) == ["a"]

    def test_a_full_disk_is_named(self, tmp_path, monkeypatch):
        def full(_fd):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(MatcherError, match=r"a: cannot be written: No space left"):
            write_submission(tmp_path / "a", placements((1, 2, 3, 4)))
        assert os.listdir(tmp_path) == []

    def test_permissions_are_those_of_any_new_file(self, tmp_path):
        (tmp_path / "plain").write_text("")
        with atomic_write(tmp_path / "a"):
            pass
        plain, made = (stat.S_IMODE((tmp_path / n).stat().st_mode) for n in ("plain", "a"))
        assert made == plain
        os.chmod(tmp_path / "a", 0o600)
        with atomic_write(tmp_path / "a"):
            pass
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    @pytest.mark.parametrize("mask", [0o077, 0o002, 0o027, 0o000])
    def test_a_new_file_has_the_rights_that_the_umask_leaves(self, tmp_path, mask, monkeypatch):
        """Wherever that is told, and with nothing asked of /proc."""
        monkeypatch.setattr("builtins.open", None)
        before = os.umask(mask)
        try:
            with atomic_write(tmp_path / "a"):
                pass
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask

    @pytest.mark.parametrize("sign", ["a", "\u00fc", "\u56f3", "\U0001f6f0"])
    def test_any_name_that_the_system_takes_is_written(self, tmp_path, sign):
        most = os.pathconf(tmp_path, "PC_NAME_MAX") if hasattr(os, "pathconf") else 255
        name = sign * (most // len(os.fsencode(sign)))
        write_submission(tmp_path / name, placements((1, 2, 3, 4)))
        assert os.listdir(tmp_path) == [name]

    def test_links_and_devices_stay(self, tmp_path):
        (tmp_path / "real").write_text("before")
        (tmp_path / "link").symlink_to(tmp_path / "real")
        write_submission(tmp_path / "link", placements((1, 2, 3, 4)))
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "real").read_text().endswith("1,2 3 4\n")
        write_submission(os.devnull, placements((1, 2, 3, 4)))
        assert not os.path.isfile(os.devnull)

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(MatcherError, match="is a folder"):
            write_submission(tmp_path, placements((1, 2, 3, 4)))
        with pytest.raises(MatcherError, match="folder does not exist"):
            write_submission(tmp_path / "no" / "s.csv", placements((1, 2, 3, 4)))
