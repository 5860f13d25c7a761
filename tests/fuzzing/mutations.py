"""Changes to the bytes of a sound file, such as accidents and attackers make."""

from __future__ import annotations

import random
from collections.abc import Callable

WORDS = [
    *(b"", b" ", b"\x00", b"\n", b"\r", b"\r\n", b"\t", b'"', b"'", b",", b";", b":", b"::", b"|"),
    *(b"-1", b"0", b"1e400", b"-1e400", b"nan", b"NaN", b"inf", b"-inf", b"NULL", b"null", b"None"),
    *(
        b"1_000",
        b"0x10",
        b"1e-400",
        b"9" * 400,
        b"9" * 5_000,
        b"007",
        b"1.0",
        b"true",
        b"[]",
        b"{}",
    ),
    *(b"18446744073709551616", b"-9223372036854775809", b"2147483648", b"1700000000000000000"),
    *(b"[" * 3_000, b"{" * 3_000, b'{"a":' * 2_000, b"x" * 70_000, b"\xff", b"\xc3\x28", b"\x80"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", "‮".encode(), "é".encode()),
    *(b"\x1b[2J", b"../../x", b"/etc/passwd", b"&a", b"*a", b"<<: *a", b"!!float ''", b"!!int x"),
    *(b"- - - -", b"? a", b"%YAML 9", b"---", b"\\ud800", b"\\u0000", b"\\n", b"#", b"sep=;"),
]
"""Pieces that readers of text stumble over."""

_DIGITS, _MARKS = frozenset(b"0123456789.+-eE"), frozenset(b",;:|\t\n\r \"'[]{}")


def mutated(random_: random.Random, content: bytes, is_text: bool) -> bytes:
    """The content after one to four changes."""
    changed = bytearray(content)
    for _ in range(random_.randint(1, 4)):
        kinds = _TEXT if is_text and random_.random() < 0.8 else _BINARY
        random_.choice(kinds)(random_, changed)
    return bytes(changed)


def _place(random_: random.Random, content: bytearray) -> int:
    return random_.randrange(len(content) + 1)


def _span(random_: random.Random, content: bytearray) -> tuple[int, int]:
    start = _place(random_, content)
    return start, min(len(content), start + random_.choice((1, 2, 4, 16, 64, 1024)))


def _flip(random_: random.Random, content: bytearray) -> None:
    if content:
        content[random_.randrange(len(content))] ^= 1 << random_.randrange(8)


def _set(random_: random.Random, content: bytearray) -> None:
    start, end = _span(random_, content)
    content[start:end] = bytes([random_.choice((0, 1, 0x7F, 0x80, 0xFF))]) * (end - start)


def _cut(random_: random.Random, content: bytearray) -> None:
    del content[_place(random_, content) :]


def _remove(random_: random.Random, content: bytearray) -> None:
    start, end = _span(random_, content)
    del content[start:end]


def _repeat(random_: random.Random, content: bytearray) -> None:
    start, end = _span(random_, content)
    content[end:end] = content[start:end] * random_.choice((1, 2, 50))


def _copy(random_: random.Random, content: bytearray) -> None:
    start, end = _span(random_, content)
    place = _place(random_, content)
    content[place : place + end - start] = content[start:end]


def _append(random_: random.Random, content: bytearray) -> None:
    content += random_.choice((bytes(16), bytes(5_000), b"\xff" * 16, b"x", bytes(content[:64])))


def _insert_word(random_: random.Random, content: bytearray) -> None:
    place = _place(random_, content)
    content[place:place] = random_.choice(WORDS)


def _replace_field(random_: random.Random, content: bytearray) -> None:
    """Something else in the place of what stands between two marks."""
    start = end = _place(random_, content)
    while start > 0 and content[start - 1] not in _MARKS:
        start -= 1
    while end < len(content) and content[end] not in _MARKS:
        end += 1
    content[start:end] = random_.choice(WORDS)


def _replace_number(random_: random.Random, content: bytearray) -> None:
    places = [place for place, each in enumerate(content) if each in b"0123456789"]
    if places:
        start = end = random_.choice(places)
        while end < len(content) and content[end] in _DIGITS:
            end += 1
        content[start:end] = random_.choice(WORDS[14:40])


def _replace_mark(random_: random.Random, content: bytearray) -> None:
    places = [place for place, each in enumerate(content) if each in _MARKS]
    if places:
        place = random_.choice(places)
        content[place : place + 1] = random_.choice(WORDS[:14])


def _repeat_line(random_: random.Random, content: bytearray) -> None:
    lines = bytes(content).split(b"\n")
    line = random_.choice(lines)
    lines[random_.randrange(len(lines)) :] = [line] * random_.choice((1, 3, 200))
    content[:] = b"\n".join(lines)


def _swap_lines(random_: random.Random, content: bytearray) -> None:
    lines = bytes(content).split(b"\n")
    first, second = (random_.randrange(len(lines)) for _ in range(2))
    lines[first], lines[second] = lines[second], lines[first]
    content[:] = b"\n".join(lines)


def _recode(random_: random.Random, content: bytearray) -> None:
    text = bytes(content).decode("utf-8", "replace")
    content[:] = text.encode(random_.choice(("utf-16", "utf-16-le", "utf-8-sig", "utf-32")))


Change = Callable[[random.Random, bytearray], None]
_BINARY: list[Change] = [_flip, _flip, _set, _set, _cut, _remove, _repeat, _copy, _append]
_TEXT: list[Change] = [
    *(_insert_word, _insert_word, _replace_field, _replace_field, _replace_number),
    *(_replace_mark, _repeat_line, _swap_lines, _recode, _remove, _cut),
]
