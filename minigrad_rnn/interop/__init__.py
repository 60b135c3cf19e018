"""Other libraries' formats: weights of PyTorch (`torch_weights`), and ONNX."""
