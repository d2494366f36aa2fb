"""The type of the arrays that Keras computes with."""

from typing import Any

Tensor = Any
"""A symbolic tensor of Keras, an array of its backend, or one of NumPy: no type includes all of them."""
