"""Models as versioned artifacts.

manifest   what an artifact says of itself
artifact   one version on disk, verified when read
graph      its ONNX graph, the only module that knows onnxruntime
serving    a version in service: rows of the fold in, probabilities out
store      versions, the pointers CHAMPION and CHALLENGER, and the log of changes, wherever fsspec reaches
places     where a store's files lie: a folder, or elsewhere; the only module that knows fsspec
remote     a store elsewhere: each request within a time limit, and what hangs is left behind
pointers   which version serves whom
publishing a version enters a store whole or not at all
changes    who moved what; what a rollback restores
signing    Ed25519 over the manifest; the only module that knows cryptography
cache      verified copies on this machine, and the last good one
differences what differs between two versions
loading    from a version's name to a warm model
watch      hot swap when a pointer changes
served     what is in service at one moment: champions, and a challenger in shadow
"""
