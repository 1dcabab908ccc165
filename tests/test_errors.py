import inspect

from recog import RecogError, errors


def test_every_error_has_one_parent_and_says_what_it_is_for() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    assert len(kinds) >= 6
    for kind in kinds:
        assert issubclass(kind, RecogError)
        assert kind.__doc__
        assert str(kind("a sentence")) == "a sentence"
