"""The full tournament at the workshop's size, the error of its winner, and the time to recover from a drift."""

from __future__ import annotations

from benchmarks import recovery, training
from benchmarks.measure import benchmark_case

benchmark_case("training_scale", goal="<= 6", unit="x the time of XGBoost alone, 100 trees of depth 6")(
    training.measure_time_ratios
)
benchmark_case("training_memory", goal="<= 8", unit="GB at the peak of a tournament")(training.measure_memory)
benchmark_case("model_error", goal="<= 1.10", unit="x the robots' noise floor")(training.measure_error)
benchmark_case("model_error_reference", goal="<= 1.02", unit="x the error of a tuned model")(
    training.measure_error_over_reference
)
benchmark_case("recovery", goal="<= 60", unit="s from the drift to live error within 10 %, in the newest run")(
    recovery.measure_laptop_recovery
)
benchmark_case("recovery_aws", goal="<= 15", unit="min, computed from the profile prod")(recovery.compute_aws_recovery)
