"""Zip archives that are the same, byte for byte, whenever their files are."""

from collections.abc import Mapping
from io import BytesIO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo


def pack_files(files: Mapping[str, str | bytes]) -> bytes:
    """Return an archive of these files: contents by name; texts become UTF-8."""
    packed = BytesIO()
    with ZipFile(packed, "w") as archive:
        for name, content in sorted(files.items()):
            archive.writestr(ZipInfo(name), content, ZIP_DEFLATED, compresslevel=9)
    return packed.getvalue()
