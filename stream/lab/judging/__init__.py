"""Judging: scores beside outcomes and baselines, and what an honest reader asks of them."""
