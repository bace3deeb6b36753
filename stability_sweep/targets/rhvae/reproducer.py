"""The program that is written beside a saved step, to see it break again."""

REPRODUCER = '''\
"""Repeats step {step} of trial {number} of study {study}: the loss or a gradient is not finite."""
from pathlib import Path
import torch
from stability_sweep.models import RHVAE, RHVAEConfig
saved = torch.load(Path(__file__).with_name({file!r}), weights_only=True)
model = RHVAE(RHVAEConfig(**saved["model"])).to(getattr(torch, saved["model"]["precision"]))
model.load_state_dict(saved["state_dict"])
for batch in zip(saved["images"], saved["latent_noise"], saved["momentum_noise"], strict=True):
    (loss := model.loss(batch[0], latent_noise=batch[1], momentum_noise=batch[2])).backward()
print(loss.item(), [name for name, p in model.named_parameters() if not p.grad.isfinite().all()])
'''
