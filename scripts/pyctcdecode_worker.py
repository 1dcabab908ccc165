"""Decodes posteriors with pyctcdecode, which needs NumPy < 2: runs in an environment without recog.

python scripts/pyctcdecode_worker.py FOLDER     reads job.json and posteriors.npz there, writes result.json
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from pyctcdecode import build_ctcdecoder


def main(folder: Path) -> None:
    """Texts in order, and the CPU seconds of decoding, models loaded."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    matrices = np.load(folder / "posteriors.npz")
    decoder = build_ctcdecoder(
        ["", *job["symbols"]],
        job.get("arpa"),
        unigrams=job.get("words"),
        alpha=job["alpha"],
        beta=job["beta"],
    )
    reach = {
        "beam_width": job["beam"],
        "beam_prune_logp": job["beam_prune_logp"],
        "token_min_logp": job["token_min_logp"],
    }
    posteriors = [matrices[str(number)] for number in range(len(matrices.files))]
    decoder.decode(posteriors[0], **reach)
    started = time.thread_time()
    texts = [decoder.decode(matrix, **reach) for matrix in posteriors]
    result = {"texts": texts, "seconds": time.thread_time() - started}
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
