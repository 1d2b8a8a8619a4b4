"""The program of the training job: SageMaker's script mode runs it as ``python -m train``.

It lies beside the package ``training_job`` at the root of the source archive. Script mode requires the program there,
where it has no parent package, so the import is absolute.
"""

import sys

from training_job.training import main

if __name__ == "__main__":
    sys.exit(main())
