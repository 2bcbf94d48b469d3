"""Graphs and weights for other programs: ONNX (the extra `onnx`), `.npz`."""
