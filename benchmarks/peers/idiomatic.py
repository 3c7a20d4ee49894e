"""The loop that most VAE examples show: torchvision's dataset, ToTensor, DataLoader, `.item()` every step.

Written from scratch for this comparison; nothing of it is slowed down. Grey pixels go into the cross-entropy, as they
do there. Only the training loop is timed: no evaluation, no image grids.
"""

from __future__ import annotations

from measuring import Stopwatch, report, settings

task, chosen = settings(__doc__, workers="0")

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
import torchvision  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from torch.utils.data import DataLoader, Subset  # noqa: E402

PIXELS = 784


class VAE(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(PIXELS, task.hidden)
        self.mean = nn.Linear(task.hidden, task.latent)
        self.log_variance = nn.Linear(task.hidden, task.latent)
        self.decoder_hidden = nn.Linear(task.latent, task.hidden)
        self.pixels = nn.Linear(task.hidden, PIXELS)

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = F.relu(self.hidden(x))
        return self.mean(h), self.log_variance(h)

    def decode(self, z: Tensor) -> Tensor:
        return torch.sigmoid(self.pixels(F.relu(self.decoder_hidden(z))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        mean, log_variance = self.encode(x.view(-1, PIXELS))
        scale = torch.exp(0.5 * log_variance)
        return self.decode(mean + scale * torch.randn_like(scale)), mean, log_variance


def negative_elbo(p: Tensor, x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    cross_entropy = F.binary_cross_entropy(p, x.view(-1, PIXELS), reduction="sum")
    kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
    return cross_entropy + kl


torch.set_num_threads(task.threads)
torch.manual_seed(0)
dataset = torchvision.datasets.MNIST(task.data, train=True, transform=torchvision.transforms.ToTensor())
if task.limit:
    dataset = Subset(dataset, range(task.limit))
loader = DataLoader(dataset, batch_size=task.batch, shuffle=True, num_workers=int(chosen.workers))
model = VAE()
optimizer = torch.optim.Adam(model.parameters(), lr=task.lr)

images = 0
watch = Stopwatch()
model.train()
for _epoch in range(task.epochs):
    train_loss = 0.0
    for x, _label in loader:
        optimizer.zero_grad()
        p, mean, log_variance = model(x)
        loss = negative_elbo(p, x, mean, log_variance)
        loss.backward()
        train_loss += loss.item()
        optimizer.step()
        images += len(x)
watch.stop()
report(watch, images, train_loss / len(dataset), torch=torch.__version__, torchvision=torchvision.__version__)
