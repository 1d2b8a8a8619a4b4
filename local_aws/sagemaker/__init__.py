"""SageMaker for real on a laptop: jobs train in processes, endpoints serve from processes, on the image's own packages.

Control plane (``SageMaker.*``, JSON 1.1) and data plane (``POST /endpoints/<name>/invocations``) are one service of
the emulator. What a container of the XGBoost image does in script mode, or as its own entry point says, is done by
processes of ``LOCAL_AWS_IMAGE_PYTHON``, each in a folder of its own; what SageMaker does around it (reading and writing
S3, logs) is done with the credentials of the role that the caller passed, through the emulator's own HTTP door, so
that IAM decides. ``api`` is the extension that the emulator installs.

Not emulated, and refused with a clear answer: images other than the XGBoost one, several instances that train
together, pipe and fast-file input, serverless and multi-container models.
"""
