"""Writes `../examples`: what the official examples of Flax Linen compute, at small sizes.

    python tests/golden/scripts/examples.py CLONE [NAME ..]

CLONE is a clone of google/flax that has the revisions of `example_sources.py`. Names choose some of the cases. Run with jax,
flax, optax and jraph installed.
"""

import sys

import example_sources
import examples_designs
import examples_images
import examples_sequences
import examples_transformers

if __name__ == "__main__":
    example_sources.use(sys.argv[1])
    cases = {**examples_images.CASES, **examples_designs.CASES, **examples_sequences.CASES, **examples_transformers.CASES}
    for name in sys.argv[2:] or cases:
        cases[name]()
