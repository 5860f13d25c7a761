"""JSON and YAML are what is declared, or refused in one line."""

import json

import pytest

from drrec.errors import InputError, shown
from drrec.limits import limited
from drrec.reading import conform, parsed_json, read_json, read_yaml


def yaml_of(tmp_path, text):
    path = tmp_path / "settings.yaml"
    path.write_text(text)
    return read_yaml(path)


@pytest.mark.parametrize(
    ("value", "declared"),
    [
        ({"a": 1, "more": None}, {"a": float}),
        ({"a": None}, {"a": (float, None)}),
        ([1, 2], [int]),
        ({"x": [1.5], "y": []}, {str: [float]}),
        ("text", (int, str)),
    ],
)
def test_what_is_declared_goes_by(value, declared):
    conform(value, declared, "a file")


@pytest.mark.parametrize(
    ("value", "declared", "said"),
    [
        ({}, {"a": float}, "Expected a in a file. Received: none"),
        ({"a": "1"}, {"a": float}, "Expected a number in a file, a. Received: '1'"),
        ({"a": True}, {"a": int}, "Expected a whole number in a file, a. Received: True"),
        ({"a": None}, {"a": float}, "Received: None"),
        ({"a": "x"}, {"a": (float, None)}, "Expected a number or null"),
        ([1, "2"], [int], "in a file, element 1. Received: '2'"),
        ({"a": 1}, [int], "Expected a list"),
        ([1], {"a": int}, "Expected an object"),
        ({"x": [1, None]}, {str: [float]}, "in a file, 'x', element 1"),
    ],
)
def test_what_is_not_declared_is_refused(value, declared, said):
    with pytest.raises(InputError) as caught:
        conform(value, declared, "a file")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 5_000 + "1" + "}" * 5_000, "9" * 5_000, '"\ud800"', "", "nul"],
)
def test_json_that_is_none_is_one_line(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"Expected .*a\.json"):
        read_json(path)


def test_nesting_has_a_limit():
    deep = json.loads("[" * 10 + "]" * 10)
    assert parsed_json(json.dumps(deep), "it") == deep
    with limited(max_nesting=10):
        assert parsed_json(json.dumps(deep), "it") == deep
    with limited(max_nesting=9), pytest.raises(InputError, match="--max-nesting"):
        parsed_json(json.dumps(deep), "it")


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    (tmp_path / "a.json").write_text('"' + "x" * 100 + '"')
    with limited(max_bytes=100), pytest.raises(InputError, match="at most 100 bytes"):
        read_json(tmp_path / "a.json")


def bomb(levels):
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_counted_as_what_they_stand_for(tmp_path):
    assert len(yaml_of(tmp_path, bomb(3))["a2"]) == 10
    with pytest.raises(InputError, match="aliases written out"):
        yaml_of(tmp_path, bomb(9))
    with limited(max_values=100), pytest.raises(InputError, match="--max-values"):
        yaml_of(tmp_path, bomb(3))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [*a]",
        "&a {b: *a}",
        "&a {? *a : 1}",
        "- " * 200 + "x",
        "a: " + "[" * 5_000,
        "a: !!float ''",
        "a: !!int 'x'",
        "a: !!timestamp 'x'",
        "a: 2024-99-99",
        "a: !!binary '\u00e9'",
        "? {a: 1}\n: 2",
        "a: !!python/object/apply:os.system ['true']",
        "a: !!omap [1]",
        "a: *b",
        "a: [1, 2",
        "\x00",
        "%YAML 9.9\n---\na: 1",
        "--- 1\n--- 2",
        "<<: 5",
    ],
)
def test_yaml_that_is_none_is_one_line(tmp_path, text):
    with pytest.raises(InputError, match=r"Expected .*settings\.yaml") as caught:
        yaml_of(tmp_path, text)
    assert "\n" not in str(caught.value)


def test_plain_yaml_is_read(tmp_path):
    text = "a: 1\nb: [x, 2.5, null, true]\nc: {d: &e {f: 1}, g: *e}\n"
    found = yaml_of(tmp_path, text)
    assert found == {"a": 1, "b": ["x", 2.5, None, True], "c": {"d": {"f": 1}, "g": {"f": 1}}}
    assert yaml_of(tmp_path, "") is None


def test_errors_are_one_line_that_no_console_obeys():
    error = InputError("Expected a.\nReceived: \x1b[2J\x07\u202e\x85" + "x" * 10_000)
    assert str(error).isprintable()
    assert len(str(error)) < 2_100
    assert "\\x1b[2J" in str(error)


@pytest.mark.parametrize(
    "value", ["x" * 10_000, ["y" * 500] * 1_000, {str(n): n for n in range(500)}, 10**3_000]
)
def test_at_most_200_characters_are_shown(value):
    assert len(shown(value)) <= 200
    assert shown("x\ny") == repr("x\ny")
