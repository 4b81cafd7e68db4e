"""Keys and their pace, as values."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from api.config import ConfigurationError
from api.keys import Keyring, Scope, block, load_keys, new_key
from api.pace import Pace


def test_a_new_key_is_found_by_its_hash_alone(tmp_path: Path) -> None:
    keys = [new_key() for _ in range(3)]
    text = "\n".join(block(f"k{n}", key, [Scope.VALIDATE, Scope.JOBS]) for n, key in enumerate(keys))
    assert not any(key in text for key in keys)
    file = tmp_path / "keys.toml"
    file.write_text(text)
    ring = load_keys(file)
    for number, key in enumerate(keys):
        found = ring.find(key)
        assert found is not None
        assert (found.name, found.scopes) == (f"k{number}", frozenset({Scope.VALIDATE, Scope.JOBS}))
    assert ring.find("") is None
    assert ring.find(keys[0][:-1]) is None
    assert Keyring([]).find(keys[0]) is None


def test_a_key_has_256_random_bits() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert {len(key) for key in made} == {len("oek_") + 43}


GOOD = block("n8n", "key", [Scope.VALIDATE])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("keys = 1", "[[keys]]"),
        ("other = 1", "[[keys]]"),
        (GOOD + 'key = "oek_secret"', "entry 1: wants name, sha256 and scopes"),
        (GOOD.replace("n8n", "a b"), "entry 1: a name has"),
        (GOOD.replace('"validate"', '"all"'), "unknown scope 'all'"),
        (GOOD.replace('"validate"', ""), "no scope"),
        (GOOD.replace('sha256 = "', 'sha256 = "oek_secret'), "64 hexadecimal digits"),
        (GOOD + GOOD, "entry 2: the name or the key is there twice"),
        (GOOD + GOOD.replace("n8n", "other"), "entry 2: the name or the key is there twice"),
        ("oek_secret", "is not TOML"),
    ],
)
def test_a_keys_file_that_is_wrong_is_refused_in_one_line_without_its_content(
    text: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as refused:
        load_keys(file)
    assert says in str(refused.value)
    assert str(file) in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_block_that_is_shown_is_toml() -> None:
    assert tomllib.loads(GOOD)["keys"][0]["scopes"] == ["validate"]


def test_a_caller_has_its_burst_and_then_its_rate_and_no_others_share() -> None:
    now = 0.0
    pace = Pace(2.0, 3, lambda: now)
    assert [pace.take("a") for _ in range(3)] == [0.0, 0.0, 0.0]
    assert pace.take("a") == pytest.approx(0.5)
    assert pace.take("b") == 0.0
    now = 0.5
    assert pace.take("a") == 0.0
    assert pace.take("a") == pytest.approx(0.5)
    now = 1000.0
    assert [pace.take("a") > 0 for _ in range(4)] == [False, False, False, True]
