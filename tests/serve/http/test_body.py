"""Bodies of requests, in every form that clients send."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from served import form
from starlette.requests import Request

from skyloom.serve.http.body import Body, leaves, nested, read_body
from skyloom.serve.intake.uploads import Part
from skyloom.serve.problem import Problem

LARGEST = 4096


def request(kind: str, pieces: Iterator[bytes] | list[bytes], **headers: str) -> Request:
    """A request whose body comes in these pieces."""
    rest = iter(pieces)

    async def receive() -> dict[str, Any]:
        piece = next(rest, None)
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    raw = [(b"content-type", kind.encode())]
    raw += [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "headers": raw, "path": "/"}, receive)


def read(kind: str, *pieces: bytes, largest: int = LARGEST) -> Body:
    return asyncio.run(read_body(request(kind, list(pieces)), largest))


def refused(kind: str, *pieces: bytes, largest: int = LARGEST) -> Problem:
    with pytest.raises(Problem) as caught:
        read(kind, *pieces, largest=largest)
    return caught.value


def test_multipart_json_and_plain_forms_say_the_same() -> None:
    body, kind = form({"prompt": "a ball", "video[id]": "v1", "keep[]": "0-1"})
    expected = {"prompt": "a ball", "video": {"id": "v1"}, "keep": ["0-1"]}
    forms = [
        read(kind, body[:30], body[30:]),
        read("application/json", json.dumps(expected).encode()),
        read("application/x-www-form-urlencoded", b"prompt=a+ball&video%5Bid%5D=v1&keep[]=0-1"),
    ]
    assert [each.values for each in forms] == [expected] * 3
    assert len({each.digest for each in forms}) == 1


def test_bracket_names_nest() -> None:
    pairs = [("a[b][c]", "1"), ("a[b][d]", "2"), ("l[]", "3"), ("l[]", "4"), ("x", "5"), ("x", "6")]
    assert nested(pairs) == {"a": {"b": {"c": "1", "d": "2"}}, "l": ["3", "4"], "x": ["5", "6"]}


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", "1"), ("a[b]", "2")],
        [("a[b]", "1"), ("a", "2")],
        [("a[]", "1"), ("a[b]", "2")],
        [("a[b", "1")],
        [("[a]", "1")],
        [("", "1")],
        [("a" + "[b]" * 7, "1")],
    ],
)
def test_names_that_contradict_or_cannot_be_read_are_refused(pairs: list) -> None:
    with pytest.raises(Problem) as caught:
        nested(pairs)
    assert caught.value.status == 400


def test_files_are_parts_with_their_digest_and_without_their_name() -> None:
    data = bytes(range(256)) * 5
    body, kind = form({"prompt": "x"}, {"video": data})
    read_in = read(kind, *(body[at : at + 100] for at in range(0, len(body), 100)))
    part = read_in.values["video"]
    assert isinstance(part, Part)
    assert part.file.read() == data and part.size == len(data)
    assert "etc" not in repr(part)
    other, kind = form({"prompt": "x"}, {"video": data[:-1]})
    second = read(kind, other)
    assert second.digest != read_in.digest
    for each in (read_in, second):
        each.close()


def test_a_body_is_not_read_beyond_the_limit() -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 1000
            yield b" " * 1000

    for kind in ("application/json", form({})[1], "application/x-www-form-urlencoded"):
        sent = 0
        with pytest.raises(Problem) as caught:
            asyncio.run(read_body(request(kind, endless()), LARGEST))
        assert caught.value.status == (400 if "multipart" in kind else 413)
        assert sent <= LARGEST + 2000


def test_a_length_beyond_the_limit_is_refused_before_anything_is_read() -> None:
    def nothing() -> Iterator[bytes]:
        raise AssertionError("it was read")
        yield b""

    asked = request("application/json", nothing(), content_length=str(LARGEST + 1))
    with pytest.raises(Problem) as caught:
        asyncio.run(read_body(asked, LARGEST))
    assert caught.value.status == 413


@pytest.mark.parametrize(
    ("kind", "body", "status"),
    [
        ("application/json", b"{", 400),
        ("application/json", b"[1]", 400),
        ("application/json", b'{"seed": NaN}', 400),
        ("application/json", b'{"seed": ' + b"1" * 5000 + b"}", 400),
        ("application/json", b"\xff\xfe{}", 400),
        ("application/json", b'{"prompt": "\\u0000"}', 400),
        ("application/json", b'{"prompt": "\\ud800"}', 400),
        ("application/json", b'{"\\u0000": 1}', 400),
        ("application/json", b'{"a": ' * 20 + b"1" + b"}" * 20, 400),
        ("application/json", b"[" * 100_000, 400),
        ("application/x-www-form-urlencoded", b"a=%ff", 400),
        ("multipart/form-data", b"x", 400),
        ("multipart/form-data; boundary=x", b"no parts at all", 400),
        ("text/plain", b"hello", 415),
    ],
)
def test_broken_bodies_are_refused(kind: str, body: bytes, status: int) -> None:
    assert refused(kind, body, largest=200_000).status == status


@given(st.binary(max_size=300), st.sampled_from(["application/json", form({})[1]]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    try:
        read_in = read(kind, body)
    except Problem as problem:
        assert problem.status in (400, 413, 415)
    else:
        read_in.close()
        assert isinstance(read_in.values, dict)


@given(
    st.recursive(
        st.text(max_size=5),
        lambda inner: st.dictionaries(st.text("abc", min_size=1), inner, min_size=1, max_size=3),
        max_leaves=6,
    ).filter(lambda value: isinstance(value, dict))
)
def test_what_brackets_flatten_comes_back(value: dict) -> None:
    def flat(inner: Any, name: str) -> Iterator[tuple[str, str]]:
        if isinstance(inner, str):
            yield name, inner
            return
        for key, each in inner.items():
            yield from flat(each, f"{name}[{key}]" if name else key)

    pairs = list(flat(value, ""))
    if all(name.count("[") <= 6 for name, _ in pairs):
        assert nested(pairs) == value
        assert sorted(leaves(value)) == sorted(text for _, text in pairs)
