# Each target sets up what it needs (a virtual environment in .venv) and is quick the second time.
# Without make, e.g. on Windows: python -m recog app, python -m recog test
PYTHON ?= python3

.PHONY: app test soak clean
app:
	$(PYTHON) -m recog app
test:
	$(PYTHON) -m recog test
# Killed, restarted and loaded runs, one after another: many minutes.
soak:
	$(PYTHON) -m recog test -- -n 0 -m slow
clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
