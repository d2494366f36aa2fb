"""The perceptual hash of a face, which is part of the definition of a near-duplicate."""

import cv2
import numpy as np
from scipy.fft import dctn

HASH_SIDE = 8
REDUCED_SIDE = 32
BLOCK = 1024


def perceptual_hashes(images: np.ndarray) -> np.ndarray:
    """64 bits per face (N, H, W), uint64: which low frequencies of the face at 32x32 px exceed their median.

    The DCT hash of Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010. The median
    excludes the mean brightness.
    """
    size = (REDUCED_SIDE, REDUCED_SIDE)
    how = cv2.INTER_AREA if images.shape[1] > REDUCED_SIDE else cv2.INTER_LINEAR
    hashes = np.empty(len(images), np.uint64)
    for start in range(0, len(images), BLOCK):
        reduced = np.stack([cv2.resize(image, size, interpolation=how) for image in images[start : start + BLOCK]])
        # In double precision, so that a hash does not depend on the block that contains its face.
        low = dctn(reduced.astype(float), axes=(1, 2))[:, :HASH_SIDE, :HASH_SIDE].reshape(len(reduced), -1)
        bits = low > np.median(low[:, 1:], axis=1, keepdims=True)
        hashes[start : start + BLOCK] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes
