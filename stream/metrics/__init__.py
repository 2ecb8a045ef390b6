"""The metrics of every process: one typed catalogue for the lane and one for each room.

`catalogue` holds the types that the catalogues are made of, `series` the counters and histograms that take a whole
batch at once, `reference` the page in the docs. A process's /metrics shows the catalogue of its own room and, for a
room on the lane, the lane's.
"""
