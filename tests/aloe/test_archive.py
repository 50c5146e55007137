"""Archives that depend on their files alone."""

from io import BytesIO
from zipfile import ZipFile

from aloe.files.archive import pack_files


def test_an_archive_depends_on_nothing_but_its_files() -> None:
    packed = pack_files({"b/two.txt": "zwei: äöü", "a.bin": b"\x00\xff"})
    assert packed == pack_files({"a.bin": b"\x00\xff", "b/two.txt": "zwei: äöü"})
    assert packed != pack_files({"a.bin": b"\x00", "b/two.txt": "zwei: äöü"})
    with ZipFile(BytesIO(packed)) as archive:
        assert archive.namelist() == ["a.bin", "b/two.txt"]
        assert archive.read("b/two.txt").decode() == "zwei: äöü"
