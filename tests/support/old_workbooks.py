"""Workbooks of Excel 97-2003 (.xls), written from [MS-XLS] and [MS-CFB]: only what a table of text, numbers and merged cells
needs. No library that writes them is alive."""

import struct
from collections.abc import Iterable, Sequence

_SECTOR, _END, _FREE, _FAT = 512, 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD
Range = tuple[int, int, int, int]  # first row, last row, first column, last column


def xls(rows: Sequence[Sequence[str | float]], merged: Iterable[Range] = (), title: str = "Sheet1") -> bytes:
    """A workbook of one sheet; an empty text is an empty cell."""
    sheet = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 6))
    sheet += b"".join(_cell(i, j, cell) for i, row in enumerate(rows) for j, cell in enumerate(row) if cell != "")
    merged = list(merged)
    sheet += _record(0x00E5, struct.pack("<H", len(merged)) + b"".join(struct.pack("<4H", *r) for r in merged))
    sheet += _record(0x000A, b"")
    begin = _record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0005, 0, 0, 0, 6))
    name = struct.pack("<BB", len(title), 1) + title.encode("utf-16-le")
    at = len(begin) + 4 + 6 + len(name) + 4
    stream = begin + _record(0x0085, struct.pack("<IBB", at, 0, 0) + name) + _record(0x000A, b"") + sheet
    return _compound_file(stream)


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _cell(row: int, column: int, cell: str | float) -> bytes:
    place = struct.pack("<HHH", row, column, 0)
    if isinstance(cell, str):
        return _record(
            0x0204, place + struct.pack("<HB", len(cell.encode("utf-16-le")) // 2, 1) + cell.encode("utf-16-le")
        )
    return _record(0x0203, place + struct.pack("<d", cell))


def _compound_file(stream: bytes) -> bytes:
    """A file whose only stream is called Workbook: one sector of directory, then the stream, then the table of sectors."""
    stream = stream.ljust(
        max(4096, -(-len(stream) // _SECTOR) * _SECTOR), b"\0"
    )  # shorter streams are stored elsewhere
    n = len(stream) // _SECTOR
    n_fat = next(k for k in range(1, 109) if k * 128 >= 1 + n + k)
    fat = [_END, *range(2, n + 1), _END, *[_FAT] * n_fat]
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(n_fat * _SECTOR, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    header += struct.pack("<IIIIIIIII", 0, n_fat, 0, 0, 4096, _END, 0, _END, 0)
    header += struct.pack("<109I", *(1 + n + k if k < n_fat else _FREE for k in range(109)))
    directory = (
        _entry("Root Entry", 5, _END, 0, child=1) + _entry("Workbook", 2, 1, len(stream)) + 2 * _entry("", 0, 0, 0)
    )
    return header + directory + stream + table


def _entry(name: str, kind: int, first: int, size: int, child: int = _FREE) -> bytes:
    written = (name + "\0").encode("utf-16-le") if name else b""
    links = struct.pack("<HBBIII", len(written), kind, 1, _FREE, _FREE, child)
    return written.ljust(64, b"\0") + links + bytes(36) + struct.pack("<IQ", first, size)
