"""Networks: plain modules, tensors in and tensors out."""
