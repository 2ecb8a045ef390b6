"""The lab: how a model is made, judged and exported. Only training needs the extra `lab`.

log        an event log on disk
replay     the log through the fold: alerts, what became of them, and in which order things were known
priors     rates by rule, severity, source, entity and label, learnt from what was known
baselines  the five simple scores a model must beat
metrics    the figures
train      replay -> split by time -> LightGBM -> calibration -> ONNX -> artifact
evaluate   an artifact beside the baselines, on the test part
"""
