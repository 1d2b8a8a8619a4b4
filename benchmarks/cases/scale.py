"""The whole tournament at the workshop's size, what its winner still misses, and how soon the loop recovers."""

from __future__ import annotations

from benchmarks import recovery, training
from benchmarks.measure import row

row("training_scale", goal="<= 6", unit="x the time of XGBoost alone, 100 trees of depth 6")(training.training_scale)
row("training_memory", goal="<= 8", unit="GB at the peak of a tournament")(training.training_memory)
row("model_error", goal="<= 1.10", unit="x the robots' noise floor")(training.model_error)
row("model_error_reference", goal="<= 1.02", unit="x the error of a tuned model")(training.model_error_reference)
row("recovery", goal="<= 60", unit="s from the drift to live error within 10 %, in the newest run")(
    recovery.recovery_laptop
)
row("recovery_aws", goal="<= 15", unit="min, computed from the profile prod")(recovery.recovery_aws)
