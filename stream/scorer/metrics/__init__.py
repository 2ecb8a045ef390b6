"""What the scorer counts, once the history of a batch is written.

`tally` collects what one batch adds, `drift` puts a model's inputs and scores into the bins of its reference,
`verdicts` judges scores by outcomes, `maturity` keeps verdicts until they may count, and `recorder` moves the counters.
"""
