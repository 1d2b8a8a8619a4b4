"""CloudWatch: metrics, metric math, alarms and their actions.

The core takes every time as an argument and needs the standard library alone, so any process can use it with its own
clock: ``store`` (metrics), ``queries``, ``expressions`` and ``math_functions`` (metric math), ``evaluation``,
``alarm_record``, ``alarm_states`` and ``notifications`` (alarms), ``operations`` (the API's requests and responses) and
``embedded_metrics.read``. ``metrics``, ``alarms``, ``actions``, ``service_metrics`` and ``protocol`` connect it to
ministack and the real time.
"""
