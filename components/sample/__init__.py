"""Photos of people who do not exist: for the demo, the tests and the benchmarks."""
