"""Inference Ledger: what every answer cost, who owns it, was it worth it.

The map of the repository. Data flows one way; a reader can follow it by opening these in order::

    ingest       Source -> usage_event, query                      facts, written from outside
    allocation   tier -> usage_daily -> rating -> charge -> cost   pure functions of facts, prices, rules, policies
    forecasting  history -> forecast, scenario, budget             what it will cost
    web          REST API, dashboards, Excel, FOCUS, commands      the only package that knows HTTP

Imports point one way too: ``finops <- ingest <- allocation <- forecasting <- web``, and inside a package
``calc <- selectors / services <- tasks`` (import-linter holds it). ``calc`` is pure: frames in, frames out, no Django,
no clock, no network. ``services`` write, ``selectors`` read and return frames.

This package is the kernel: settings, money, periods, the FOCUS vocabulary, frame contracts, users and the audit trail.
"""
