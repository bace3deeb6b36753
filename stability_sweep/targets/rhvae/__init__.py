"""The Riemannian Hamiltonian VAE on images: the first target.

Importing this package, its `settings`, `signals`, `causes` or `target` loads no torch; `stability_sweep.models` is the
face of its model.
"""
