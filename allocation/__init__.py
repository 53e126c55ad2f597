"""What it cost, which kind of query it was, and whose it is.

Everything here is derived from facts, prices, rules and policies, and can be rebuilt from them at any time:
``usage_daily`` (the cube) -> ``rating`` -> ``charge`` -> ``allocated_cost`` -> ``cost_daily`` and ``class_daily``.
``calc/`` holds the arithmetic, ``services.py`` the writes, ``selectors.py`` the reads.
"""
