"""What a latent's dimensions are called, known without importing torch: the gallery opens before it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LatentWords:
    """The words of one latent, of k dimensions each."""

    unit: str = ""  # what one dimension is, "bit"; nothing for a real number
    form: str = ""  # what is to be said of q(z|x) where it is not the plain one

    def short(self, k: int) -> str:
        """Returns `8 bits`, or `d = 2, full covariance`."""
        return self._and_form(_counted(k, self.unit) if self.unit else f"d = {k}")

    def whole(self, k: int) -> str:
        """Returns `8 bits`, or `2 latent dimensions, full covariance`."""
        return self._and_form(_counted(k, self.unit or "latent dimension"))

    def in_a_name(self, k: int) -> str:
        """Returns `8bits` or `d2`, for a run's directory."""
        return f"{k}{self.unit}s" if self.unit else f"d{k}"

    def _and_form(self, words: str) -> str:
        return f"{words}, {self.form}" if self.form else words


def _counted(k: int, unit: str) -> str:
    return f"{k} {unit}" + ("" if k == 1 else "s")


WORDS = {"normal": LatentWords(), "full-normal": LatentWords(form="full covariance"), "bernoulli": LatentWords("bit")}


def words_of(latent: str) -> LatentWords:
    """Returns the words of a latent by its name. One with a file of its own says them there, which takes torch."""
    if latent in WORDS:
        return WORDS[latent]
    from vae.model.latents import LATENTS

    return LATENTS[latent].words if latent in LATENTS else LatentWords()
