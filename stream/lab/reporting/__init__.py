"""The report: what was judged, as one self-contained page."""
