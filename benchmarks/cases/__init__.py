"""The benchmarks. A function with ``@benchmark_case`` in any module of this package is a row of the report."""
