"""What people read of a model.

report          report.html, the whole judgement (charts: its charts, templates/: its sections)
card            card.md, the model card (card_judgement: the sections that a judgement gives)
retrain_report  retrain.md, what one retraining did
formats         figures as text
"""
