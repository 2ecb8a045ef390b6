"""The judging of models: figures, intervals, the gate, and the comparison with the champion.

metrics           AUC, ECE, Brier and the rest, of one score and of the model beside the baselines
baselines         the five simplest scores that a model must beat
bootstrap         95 % intervals, by drawing whole days
score_figures     reliability, curve and bands of one score
gate              whether the model may be promoted
shortcut, teams, drift, ageing   sections: last action repeated, by team, inputs moved, by week
judgement         makes the whole Judgement, which becomes report.json
report_schema     its types
evaluation        a stored model judged on another log
compare_versions  champion and new model on one replay
compare_live      champion and challenger on what both scored live
"""
