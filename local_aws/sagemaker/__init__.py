"""SageMaker: training jobs, models, endpoints with blue/green deployments, and the model registry.

``api`` registers both APIs with ministack: the control plane (``SageMaker.*``, JSON 1.1) and the runtime
(``POST /endpoints/<name>/invocations``). Containers of the XGBoost image, in script mode or with their own entry point,
are processes of the interpreter ``LOCAL_AWS_IMAGE_PYTHON``, each with its own folder. SageMaker's own requests for a
container (to S3, CloudWatch, logs) go through this process's own endpoint with the credentials of the container's
role, so that IAM applies. ``image`` is the part that runs in the container.

Refused as not emulated: other images, several instances, pipe and fast-file input, serverless and multi-container
models.
"""
