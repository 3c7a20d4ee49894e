"""How a model is measured: in full precision, in batches as large as pays on its device."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from vae.model.graph import outputs
from vae.model.vae import Model

NUMBERS_ON_CPU = 2**19  # of a batch's largest array: 2 MB, about what a core's cache holds
MALLOC_KEEPS = 31 * 2**20  # bytes; glibc never keeps blocks of more than 32 MB
SHARE_ON_GPU = 0.5  # of the free memory
ARRAYS_ALIVE = 8  # as large as the largest, at once: a layer's input and output, what log p(x|z) makes of the pixels
INDICES = 2**31 - 1  # numbers of an array that every CUDA kernel can count


def full_precision(model: Model) -> Model:
    """Returns a model of the same weights, but with no matrix product in bfloat16; the given model is not touched."""
    same = copy.copy(model)
    same.in_bfloat16 = False
    return same


def keep_freed_memory() -> None:
    """Has malloc keep a batch's arrays for the next batch, which would else get them from the system page by page: up
    to a third of the time. glibc keeps blocks as large as the largest that was freed (mallopt(3), M_MMAP_THRESHOLD)."""
    torch.empty(MALLOC_KEEPS, dtype=torch.uint8)


@torch.no_grad()
def rows_at_once(model: Model) -> int:
    """Returns how many codes to decode together: by the decoder's widest layer, pixels x planes included, on a CPU so
    that a batch stays in the cache, on a GPU so that it fills a share of the memory that is free."""
    keep_freed_memory()
    weight = next(model.decoder.parameters())
    row = model.latent.decoder_input(torch.zeros(1, model.k, device=weight.device, dtype=weight.dtype))
    widest = max(model.k, *(made.numel() for made in outputs(model.decoder, row)))
    return max(1, (_numbers_on_gpu(weight) if weight.is_cuda else NUMBERS_ON_CPU) // widest)


def _numbers_on_gpu(weight: Tensor) -> int:
    device = weight.device
    free, _ = torch.cuda.mem_get_info(device)
    free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # torch keeps it for its next use
    return min(int(SHARE_ON_GPU * free) // (ARRAYS_ALIVE * weight.element_size()), INDICES)
