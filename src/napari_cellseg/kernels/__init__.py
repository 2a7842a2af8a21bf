"""Compiled loops over plain arrays; numba compiles each at its first call and keeps it on disk.

Callers import the modules inside functions: importing numba takes a second. No kernel allows the compiler to
reorder arithmetic, so that a pixel has the same value whatever part of the image is computed with it.
"""
