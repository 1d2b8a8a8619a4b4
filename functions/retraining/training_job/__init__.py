"""What runs inside SageMaker's XGBoost image: training, evaluation and serving.

The image imports this package as ``training_job``: it lies beside the entry files ``train.py`` and ``serving.py`` at
the root of the source archive. The Lambda function imports it as ``retraining.training_job``, to validate
hyperparameters. Modules therefore import each other relatively, and otherwise only packages of the image.
"""
