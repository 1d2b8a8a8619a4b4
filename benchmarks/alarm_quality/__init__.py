"""How good the alarm ModelError is, simulated over years: false alarms and delays, beside other detectors.

``python -m benchmarks.alarm_quality`` writes ``build/alarm-quality/report.json`` and a page. Residuals come from a
gradient-boosted model on the robots' physics; the sums of each minute are drawn from their moments, so that a year
takes seconds. What judges them is the monitor's own policy.
"""
