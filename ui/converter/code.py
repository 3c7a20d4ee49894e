"""The loss in PyTorch that a WrittenLoss describes, and the command line that trains the same."""

from __future__ import annotations

from ui.runs.command import command_line
from vae.config import Config
from vae.errors import ConfigError
from vae.lessons.reductions import WrittenLoss, meaning

Shape = tuple[int, int, int]  # channels, height, width
DATASETS: dict[Shape, str] = {(1, 8, 8): "digits", (1, 28, 28): "mnist", (1, 64, 64): "dsprites"}
OWN_DATA = "images.npz"
MOST_GRADIENT = 2.0**64  # float32 knows its square, and that of all above, as infinity; C weighs up to 2 C D of it
NONE = 'reduction="none"'
CALLS = {
    "squared": "F.mse_loss(x_hat, x, {})",
    "cross-entropy": "F.binary_cross_entropy(x_hat, x, {})",
    "grey-cross-entropy": "F.binary_cross_entropy(x_hat, x, {})",
    "absolute": "F.l1_loss(x_hat, x, {})",
    "gaussian-nll": "F.gaussian_nll_loss(x_hat, x, var, full={full}, {})",
}


def snippet(loss: WrittenLoss, shape: Shape) -> str:
    """Returns the loss in PyTorch. It runs as it stands, given x and x_hat (B, channels, height, width), mu and
    logvar (B, k)."""
    sizes = ", ".join(map(str, shape))
    lines = [f"# x, x_hat: (B, {sizes}); mu, logvar: (B, {loss.k})"]
    if loss.error == "gaussian-nll":
        value = "log_var.exp().expand_as(x)" if loss.variance is None else f"torch.full_like(x, {loss.variance!r})"
        lines.append(f"var = {value}" + ("  # log_var: a parameter" if loss.variance is None else ""))
    if loss.error == "absolute" and loss.variance is None:
        lines.append("# log_b: a parameter")
    half = "0.5 * " if loss.error == "squared" and loss.half else ""
    kl_half = "0.5 * " if loss.kl_half else ""
    kl = "(1 + logvar - mu.pow(2) - logvar.exp())"
    lines += [
        f"rec = {half}{_reconstruction(loss)}",
        f"kl = -{kl_half}{kl}{_reductions(loss.latents, loss.kl_batch, 'rows')}",
        f"loss = {_times(loss.weight, 'rec')} + {_times(loss.kl_weight, 'kl')}",
    ]
    return "\n".join(lines)


def _reconstruction(loss: WrittenLoss) -> str:
    call = CALLS[loss.error].replace("{full}", str(loss.full))
    if loss.error == "absolute" and loss.variance is None:
        each = f"({call.format(NONE)} / log_b.exp() + log_b)"
        return each + ".flatten(1)" + _reductions(loss.pixels, loss.batch, "images")
    if loss.pixels == loss.batch:
        return call.format(f'reduction="{loss.pixels}"')
    return call.format(NONE) + ".flatten(1)" + _reductions(loss.pixels, loss.batch, "images")


def _reductions(inside: str, batch: str, what: str) -> str:
    if what == "rows" and inside == batch:
        return f".{inside}()"
    return f".{inside}(1).{batch}()"


def _times(weight: float, name: str) -> str:
    return name if weight == 1 else f"{weight!r} * {name}"


def our_command(loss: WrittenLoss, shape: Shape) -> tuple[str, str]:
    """Returns the command that trains the same, or "" and a sentence why there is none."""
    m = meaning(loss)
    if loss.error in ("cross-entropy", "grey-cross-entropy") and loss.range != "unit":
        return "", "There is none: a cross-entropy is a likelihood of pixels that are 0 or 1."
    if loss.error == "grey-cross-entropy":
        return "", (
            "There is none: this loss is no likelihood of grey pixels. Nearest are --likelihood continuous-bernoulli "
            "(the same cross-entropy with the constant that makes it a density) and --likelihood bernoulli "
            "--binarize epoch."
        )
    if loss.error == "absolute":
        return "", "There is none: no Laplace likelihood is offered here. Nearest is --likelihood gaussian --C fit."
    if loss.error == "gaussian-nll" and loss.variance is None:
        if not m.is_elbo:
            return "", "There is none: a Gaussian whose noise is learned is trained at weight 1 here, as the ELBO."
        return _command(loss, shape, "gaussian", "fit"), ""
    likelihood, C = "bernoulli" if loss.error == "cross-entropy" else "gaussian", m.unit_C or 0.0
    if C * loss.D > MOST_GRADIENT / 2:
        return "", f"There is none: at C = {C:.3g} the squares of the gradients, which Adam keeps, exceed float32."
    try:
        return _command(loss, shape, likelihood, C), ""
    except ConfigError:
        return "", f"There is none: C = {C:.3g} is beyond what float32 can train."


def _command(loss: WrittenLoss, shape: Shape, likelihood: str, C: float | str) -> str:
    dataset = DATASETS.get(shape, OWN_DATA)
    binary = likelihood == "bernoulli"
    config = Config(
        dataset=dataset,
        likelihood=likelihood,
        binarize="threshold" if binary and dataset != "dsprites" else None,
        C=C if isinstance(C, str) else float(f"{C:.6g}"),  # type: ignore[arg-type]
        latent_dim=loss.k,
        batch_size=loss.batch_size,
    )
    return command_line(config)
