"""What was used: usage facts from files, pulls and pushes, the price book, and nothing derived from them.

Rules of this package:

- ``source.py`` is the contract, ``sources/<kind>.py`` one provider each, found by discovery; a source never touches the
  database, prices, teams or another source.
- ``calc/`` turns parsed records into usage rows with disjoint token classes, identity and rate slots.
- ``facts.py`` holds every SQL statement that touches ``usage_event``; nothing else may (a test checks it), because the
  same statements must run on distributed PostgreSQL: no multi-shard FOR UPDATE, no ROLLUP, no NOT EXISTS against
  temporary tables, no foreign key, trigger or CHECK on the facts.
- Bad input is quarantined with reason and place; its valid neighbours are kept.
"""
