"""Models as versioned artifacts.

manifest   what an artifact says of itself
artifact   one version on disk: verified when read, written at one stroke
graph      its ONNX graph, the only module that knows onnxruntime
serving    a version in service: rows of the fold in, probabilities out
store      a folder of versions and the pointers CHAMPION and CHALLENGER
watch      hot swap when a pointer changes
"""
