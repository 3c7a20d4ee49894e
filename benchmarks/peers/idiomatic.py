"""The loop that most VAE examples show: torchvision's dataset, ToTensor, DataLoader, `.item()` every step.

Only the training loop is timed: no evaluation, no image grids.
"""

from __future__ import annotations

from measuring import Stopwatch, report, settings

task, _ = settings(__doc__)

import torch  # noqa: E402
import torchvision  # noqa: E402
from held_out import HeldOut  # noqa: E402
from plain_vae import model_and_loader, negative_elbo  # noqa: E402

model, loader = model_and_loader(task)
optimizer = torch.optim.Adam(model.parameters(), lr=task.lr)

images, done, train_loss = 0, False, 0.0
watch = Stopwatch()
held_out = HeldOut(task, watch, model.encode, model.logits)
model.train()
for _epoch in range(task.epochs):
    images_before, train_loss = images, 0.0
    for x, _label in loader:
        optimizer.zero_grad()
        p, mean, log_variance = model(x)
        loss = negative_elbo(p, x, mean, log_variance)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
        images += len(x)
        if done := held_out.reached(images):
            break
    if done:
        break
watch.stop()
versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
report(watch, images, train_loss / (images - images_before), held_out.curve, **versions)
