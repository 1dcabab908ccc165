from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from recog import config
from recog.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    layers: int = 2
    rate: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str = "x"
    fast: bool = False
    sizes: tuple[int, ...] = (1,)
    weights: dict[str, float] = field(default_factory=dict)
    limit: float | None = None
    inner: Inner = Inner()

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ConfigError("the two do not go together")


def test_settings_become_records() -> None:
    settings = {
        "name": "y",
        "fast": True,
        "sizes": [3, 4],
        "weights": {"s": 2},
        "limit": 1,
        "inner": {"rate": 1, "layers": 7},
    }
    expected = Outer("y", True, (3, 4), {"s": 2.0}, 1.0, Inner(7, 1.0))
    built = config.build(Outer, settings, "o")
    assert built == expected
    assert isinstance(built.inner.rate, float)
    assert config.build(Outer, {}, "o") == Outer()
    assert config.build(Outer, {"limit": None}, "o").limit is None


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"inner": {"layer": 3}}, r"^unknown setting o\.inner\.layer; did you mean 'layers'\?$"),
        ({"fats": True}, r"^unknown setting o\.fats; did you mean 'fast'\?$"),
        ({"qqq": 1}, r"^unknown setting o\.qqq; known keys: name, fast, sizes, weights, limit, inner$"),
        ({"name": 3}, r"^setting o\.name is 3; expected str$"),
        ({"fast": 1}, r"^setting o\.fast is 1; expected bool$"),
        ({"inner": {"layers": True}}, r"^setting o\.inner\.layers is true; expected int$"),
        ({"inner": {"layers": 2.0}}, r"^setting o\.inner\.layers is 2\.0; expected int$"),
        ({"inner": {"rate": "fast"}}, r'^setting o\.inner\.rate is "fast"; expected float$'),
        ({"inner": {"rate": True}}, r"^setting o\.inner\.rate is true; expected float$"),
        ({"inner": {"rate": float("nan")}}, r"^setting o\.inner\.rate is NaN; expected a finite number$"),
        ({"limit": float("inf")}, r"^setting o\.limit is Infinity; expected a finite number$"),
        ({"inner": 3}, r"^setting o\.inner is 3; expected Inner$"),
        ({"sizes": 3}, r"^setting o\.sizes is 3; expected tuple$"),
        ({"sizes": [1, "2"]}, r'^setting o\.sizes is "2"; expected int$'),
        ({"weights": {"s": "x"}}, r'^setting o\.weights is "x"; expected float$'),
        ({"name": None}, r"^setting o\.name is null; expected str$"),
        ({"name": "bad"}, "^the two do not go together$"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        config.build(Outer, settings, "o")


def test_overrides_lie_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "x"\n[inner]\nlayers = 1\n', encoding="utf-8")
    overrides = [
        "inner.layers=5",
        "sizes=[1, 2]",
        "name = plain word",
        "weights.some-source=1.5",
        "fast=true",
        'limit="3"',
    ]
    assert config.load(path, overrides) == {
        "name": "plain word",
        "inner": {"layers": 5},
        "sizes": [1, 2],
        "weights": {"some-source": 1.5},
        "fast": True,
        "limit": "3",
    }


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("inner.layers", r"^override 'inner\.layers' has no '='; write a\.b=value$"),
        ("name.first=3", r"^override 'name\.first=3': 'name' is a value, not a group of settings$"),
        ("=3", "^override '=3' names no setting"),
        ("inner.=3", "^override 'inner.=3' names no setting"),
    ],
)
def test_wrong_overrides_are_refused(tmp_path: Path, override: str, sentence: str) -> None:
    path = tmp_path / "p.toml"
    path.write_text('name = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=sentence):
        config.load(path, [override])


def test_unreadable_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        config.load(path)
    path.write_text("name = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(path)
    path.write_bytes(b'name = "\xff"')
    with pytest.raises(ConfigError, match="is not TOML"):
        config.load(path)
