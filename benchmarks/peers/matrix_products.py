"""The ceiling: nothing but the eleven matrix products of a training step, in one precision, into memory that is there.

Four layers forward, four gradients of weights and three gradients of inputs (the first layer's images need none).
"""

from __future__ import annotations

from measuring import Stopwatch, report, settings

task, chosen = settings(__doc__, precision="float32")

import numpy as np  # noqa: E402
import torch  # noqa: E402

torch.set_num_threads(task.threads)
torch.manual_seed(0)
torch.set_default_dtype(getattr(torch, chosen.precision))
images, height, width = np.load(task.pixels)["train"].shape
pixels, B = height * width, task.batch
layers = [(pixels, task.hidden), (task.hidden, 2 * task.latent), (task.latent, task.hidden), (task.hidden, pixels)]
weights = [torch.randn(after, before) / before**0.5 for before, after in layers]
inputs = [torch.randn(B, before) for before, _ in layers]
outputs = [torch.empty(B, after) for _, after in layers]
gradients = [torch.randn(B, after) for _, after in layers]
weight_gradients = [torch.empty_like(weight) for weight in weights]
input_gradients = [torch.empty_like(x) for x in inputs]

steps = -(-task.epochs * min(task.limit or images, images) // B)
watch = Stopwatch()
for _step in range(steps):
    for x, weight, out in zip(inputs, weights, outputs, strict=True):
        torch.mm(x, weight.T, out=out)
    for x, gradient, out in zip(inputs, gradients, weight_gradients, strict=True):
        torch.mm(gradient.T, x, out=out)
    for gradient, weight, out in list(zip(gradients, weights, input_gradients, strict=True))[1:]:
        torch.mm(gradient, weight, out=out)
watch.stop()
report(watch, steps * B, None, torch=torch.__version__)
