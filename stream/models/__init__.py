"""Models as versioned artifacts.

manifest     what an artifact declares: version, problem, features, thresholds, hashes
artifact     one version on disk, verified when read
graph        its ONNX graph; the only module that imports onnxruntime
model        a loaded version: rows of the fold in, probabilities out
reference    how features and scores were spread in training
store        versions, the pointers CHAMPION and CHALLENGER, and the log of changes, wherever fsspec reaches
storage      the backends of a store: a folder, or elsewhere; the only module that imports fsspec
remote       the backend elsewhere: each request within a time limit, and hanging ones abandoned
pointers     which version serves whom
changes      the log of changes: who moved what; what a rollback restores
promotion    the rules for moving pointers, and the moves
signing      Ed25519 over the manifest; the only module that imports cryptography
cache        verified copies on this machine, and the last good one
differences  what differs between two versions
reload       loads what the pointers name and swaps it in
active       the models active at one moment: champions, and a challenger in shadow
"""
