"""A network as an ONNX model, run by onnxruntime (needs the extra `onnx`, and onnxruntime)."""

import numpy as np

from tinygrad_dnn import Tensor
from tinygrad_dnn.network import forward, initialize_parameters


def main(path: str = "network.onnx") -> float:
    """The greatest difference between the two, on numbers of examples that neither was made for."""
    try:
        import onnxruntime

        from tinygrad_dnn.export.onnx_graph import onnx_model, save_onnx
    except ImportError as error:
        print(f"left out: {error}; pip install 'tinygrad-dnn[onnx]' onnxruntime")
        return 0.0
    parameters = initialize_parameters((12, 8, 4, 1), "he")
    X = Tensor(np.zeros((12, 2)), name="X")
    _, AL = forward(X, parameters)
    save_onnx(path, onnx_model({"AL": AL}, {"X": X}, free={"X": 1}))
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    apart = 0.0
    for m in (1, 5, 1000):
        examples = np.random.default_rng(m).normal(size=(12, m))
        (theirs,) = session.run(None, {"X": examples})
        ours = forward(Tensor(examples), parameters)[1].data
        apart = max(apart, float(np.abs(ours - theirs).max()))
    print(f"wrote {path}; onnxruntime and we differ by {apart:.1e} at most")
    return apart


if __name__ == "__main__":
    main()
