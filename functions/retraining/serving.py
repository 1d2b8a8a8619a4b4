"""The program of the model server: SageMaker's image imports it and calls these four functions.

It lies beside the package ``training_job`` in the folder ``code/`` of a model's archive. Promotion names it in
``SAGEMAKER_PROGRAM`` for every model, so the file keeps its name and place in every version of the archive.
"""

import sys
from pathlib import Path

# The image may import this file by its path, from a working directory that does not hold the package.
_CODE = str(Path(__file__).resolve().parent)
if _CODE not in sys.path:
    sys.path.insert(0, _CODE)

from training_job.inference_handlers import input_fn, model_fn, output_fn, predict_fn  # noqa: E402

__all__ = ["input_fn", "model_fn", "output_fn", "predict_fn"]
