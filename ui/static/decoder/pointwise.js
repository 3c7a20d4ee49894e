// Functions of one number, by the name of the layer. Where the kernel has one it runs there; the others, which decoders
// seldom have, run here in double precision.

/** (kernel, layer) -> a function (address in bytes, count), in place. */
export const IN_KERNEL = {
  relu: (kernel) => kernel.relu,
  tanh: (kernel) => kernel.tanh,
  sigmoid: (kernel) => kernel.sigmoid,
  silu: (kernel) => kernel.silu,
  gelu: (kernel) => (at, count) => kernel.gelu(at, count, 0),
  gelu_tanh: (kernel) => (at, count) => kernel.gelu(at, count, 1),
  elu:
    (kernel, { alpha }) =>
    (at, count) =>
      kernel.elu(at, count, alpha),
  leaky_relu:
    (kernel, { slope }) =>
    (at, count) =>
      kernel.leakyRelu(at, count, slope),
};

const softplus = (x) => (x > 20 ? x : Math.log1p(Math.exp(x))); // as torch has it

/** Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most. */
function erf(x) {
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  const tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return Math.sign(x) * (1 - tail * Math.exp(-x * x));
}

const [SELU_SCALE, SELU_ALPHA] = [1.0507009873554805, 1.6732632423543772];

/** layer -> a function of one number. */
export const HERE = {
  softplus: () => softplus,
  mish: () => (x) => x * Math.tanh(softplus(x)),
  selu: () => (x) => SELU_SCALE * (x > 0 ? x : SELU_ALPHA * Math.expm1(x)),
  hard_swish: () => (x) => (x * Math.min(6, Math.max(0, x + 3))) / 6,
  exp: () => Math.exp,
  log: () => Math.log,
  abs: () => Math.abs,
  negative: () => (x) => -x,
  sqrt: () => Math.sqrt,
  erf: () => erf,
  at_least:
    ({ bound }) =>
    (x) =>
      Math.max(x, bound),
  at_most:
    ({ bound }) =>
    (x) =>
      Math.min(x, bound),
  logit: ({ least }) => {
    return (p) => {
      const inside = Math.min(1 - least, Math.max(least, p));
      return Math.log(inside / (1 - inside));
    };
  },
};
