"""Writes more_cell_*, more_rnn_* and more_bidirectional_*: recurrent layers of Flax with options that the other golden cases
do not have. Run with jax and flax installed.

    python tests/golden/scripts/recurrent.py
"""

import json

import flax.linen as nn
import jax
import jax.numpy as jnp

from layers import BF16, FOLDER, case, counts, described, make, x

LSTM, FAST, GRU, MGU, SIMPLE, CONV = (
    nn.LSTMCell,
    nn.OptimizedLSTMCell,
    nn.GRUCell,
    nn.MGUCell,
    nn.SimpleCell,
    nn.ConvLSTMCell,
)


class Step(nn.Module):
    """A cell as the child `cell`, called with the leaves of its carry and an input."""

    inner: nn.Module
    described = {}

    @nn.compact
    def __call__(self, *args):
        cell = self.inner.clone(name="cell", parent=self)
        *carry, inputs = args
        return cell(tuple(carry) if len(carry) > 1 else carry[0], inputs)


def step(name, cell, carry, inputs, **kwargs):
    """One step, as the case `cell` of the manifest, which describes the cell alone."""
    leaves = {"c": carry[0], "h": carry[1]} if isinstance(carry, tuple) else {"h": carry}
    case(name, Step(cell), leaves | inputs, **kwargs)
    path = FOLDER / f"more_{name}.json"
    manifest = json.loads(path.read_text())
    manifest["settings"]["module"] = described(cell)
    manifest["description"] = "one step of the cell, called `cell`; the output is (carry, y)"
    path.write_text(json.dumps(manifest))


def states(*shape, count=2):
    made = tuple(0.5 * x(*shape)["x"] for _ in range(count))
    return made if count > 1 else made[0]


def rnn(cell, **kwargs):
    return make(nn.RNN, cell, **kwargs)


def lengths(*numbers):
    return {"seq_lengths": jnp.array(numbers, jnp.int32)}


def cells():
    half = {"dtype": BF16}
    for cls in [LSTM, FAST]:
        name = "cell_" + cls.__name__.lower()
        step(name + "_bf16", make(cls, 3, **half), states(2, 3), x(2, 4), tolerance=4e-2)
        step(name + "_functions", make(cls, 3, gate_fn=nn.hard_sigmoid, activation_fn=nn.soft_sign), states(2, 3), x(2, 4))
        step(name + "_other_features", make(cls, 3), states(2, 5), x(2, 4))
        step(name + "_no_batch", make(cls, 3), states(3), x(4))
    for cls in [GRU, MGU, SIMPLE]:
        name = "cell_" + cls.__name__.lower()
        step(name + "_bf16", make(cls, 3, **half), states(2, 3, count=1), x(2, 4), tolerance=4e-2)
        step(name + "_other_features", make(cls, 3), states(1, 2, 5, count=1), x(1, 2, 4))
    step("cell_grucell_functions", make(GRU, 3, gate_fn=nn.hard_sigmoid, activation_fn=nn.soft_sign), states(2, 3, count=1), x(2, 4))
    step("cell_mgucell_functions", make(MGU, 3, gate_fn=nn.hard_sigmoid, activation_fn=nn.soft_sign), states(2, 3, count=1), x(2, 4))
    step("cell_simplecell_relu", make(SIMPLE, 3, activation_fn=nn.relu), states(2, 3, count=1), x(2, 4))
    ones = {"recurrent_kernel_init": nn.initializers.ones}
    step("cell_lstmcell_bf16_params", make(LSTM, 3, param_dtype=BF16, bias_init=nn.initializers.ones, **ones), states(2, 3), x(2, 4, dtype=BF16), tolerance=4e-2)
    step("cell_mgucell_biases", make(MGU, 3, forget_bias_init=nn.initializers.zeros, activation_bias_init=nn.initializers.ones), states(2, 3, count=1), x(2, 4))
    step("cell_convlstmcell_1d", make(CONV, 3, (3,), use_bias=False), states(2, 5, 3), x(2, 5, 2))
    step("cell_convlstmcell_padding", make(CONV, 2, (3, 3), padding=((1, 1), (1, 1))), states(1, 4, 3, 2), x(1, 4, 3, 3))
    step("cell_convlstmcell_bf16", make(CONV, 2, (2, 2), **half), states(1, 4, 3, 2), x(1, 4, 3, 3), tolerance=6e-2)


def sequences():
    for cls, options in [(LSTM, {}), (FAST, {}), (GRU, {}), (MGU, {}), (SIMPLE, {"residual": True})]:
        case(f"rnn_{cls.__name__.lower()}_bf16", rnn(make(cls, 3, dtype=BF16, **options)), x(2, 4, 3), tolerance=8e-2)
    case("rnn_lengths_at_the_ends", rnn(make(LSTM, 2), return_carry=True), x(4, 5, 3), lengths(0, 9, 3, 5))
    case("rnn_negative_lengths", rnn(make(GRU, 2), return_carry=True), x(3, 5, 3), lengths(-1, -5, -6))
    case("rnn_reverse_lengths", rnn(make(GRU, 2), reverse=True, return_carry=True), x(4, 5, 3), lengths(0, 7, 3, 5))
    case("rnn_reverse_keep_order", rnn(make(MGU, 2), reverse=True, keep_order=True), x(2, 4, 3))
    case("rnn_time_major_lengths", rnn(make(FAST, 2), time_major=True, reverse=True, return_carry=True), x(5, 3, 4), lengths(2, 5, 4))
    call = {"time_major": True, "return_carry": True, "reverse": True, "keep_order": True}
    case("rnn_options_of_the_call", rnn(make(GRU, 2)), x(5, 3, 4), lengths(2, 5, 4), options=call)
    call = {"time_major": False, "return_carry": False, "reverse": False, "keep_order": False}
    everything = {"time_major": True, "return_carry": True, "reverse": True, "keep_order": True}
    case("rnn_options_against_the_call", rnn(make(SIMPLE, 2), **everything), x(2, 3, 4), options=call)
    case("rnn_initial_carry", rnn(make(LSTM, 2), return_carry=True), x(2, 3, 4), {"initial_carry": states(2, 2)})
    case("rnn_initial_carry_of_other_features", rnn(make(GRU, 2)), x(2, 3, 4), {"initial_carry": states(2, 5, count=1)})
    for cls in [LSTM, GRU]:
        case(f"rnn_{cls.__name__.lower()}_random_carry", rnn(make(cls, 2, carry_init=jax.random.normal)), x(2, 3, 4))
    case("rnn_two_batch_axes", rnn(make(FAST, 2), reverse=True, keep_order=True), x(2, 3, 4, 3), {"seq_lengths": jnp.array([[1, 2, 3], [4, 2, 1]])})
    case("rnn_no_batch_lengths", rnn(make(LSTM, 2), return_carry=True), x(5, 3), {"seq_lengths": jnp.array(2)})
    case("rnn_unroll", rnn(make(GRU, 2), unroll=3), x(2, 5, 3))
    case("rnn_no_steps", rnn(make(GRU, 2), return_carry=True), x(2, 0, 3))
    case("rnn_one_step", rnn(make(LSTM, 2), reverse=True), x(2, 1, 3))
    case("rnn_capture", rnn(make(LSTM, 2)), x(2, 3, 3), capture=True)
    case("rnn_convlstm_lengths", rnn(make(CONV, 2, (2,)), return_carry=True, reverse=True), x(3, 4, 5, 2), lengths(2, 4, 1))
    case("rnn_convlstm_time_major", rnn(make(CONV, 2, (2, 3)), time_major=True), x(3, 1, 3, 4, 2))
    layers = [make(nn.Dense, 4), rnn(make(GRU, 3)), nn.relu, rnn(make(LSTM, 2), reverse=True)]
    case("rnn_in_sequential", make(nn.Sequential, layers), x(2, 4, 3))


OF_USERS = """
class NoisyCell(nn.RNNCellBase):
    features: int

    @nn.compact
    def __call__(self, carry, x):
        h = nn.tanh(nn.Dense(self.features)(x) + nn.Dense(self.features, use_bias=False)(carry))
        h = nn.Dropout(0.5, deterministic=False)(h)
        return h, h

    @nn.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1] + (self.features,))

    @property
    def num_feature_axes(self):
        return 1


class NormalizedCell(nn.RNNCellBase):
    features: int

    @nn.compact
    def __call__(self, carry, x):
        h = nn.Dense(self.features)(x) + nn.Dense(self.features, use_bias=False)(carry)
        h = nn.tanh(nn.BatchNorm(use_running_average=False)(h))
        return h, h

    @nn.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1] + (self.features,))

    @property
    def num_feature_axes(self):
        return 1


class SowingCell(nn.RNNCellBase):
    features: int

    @nn.compact
    def __call__(self, carry, x):
        h = nn.tanh(nn.Dense(self.features)(x) + carry)
        self.sow("seen", "h", h)
        return h, h

    @nn.nowrap
    def initialize_carry(self, rng, input_shape):
        return jnp.zeros(input_shape[:-1] + (self.features,))

    @property
    def num_feature_axes(self):
        return 1
"""


def cells_of_users():
    names = {"nn": nn, "jax": jax, "jnp": jnp}
    exec(OF_USERS, names)

    def of_source(name, *args, **kwargs):
        case(name, *args, **kwargs)
        path = FOLDER / f"more_{name}.json"
        manifest = json.loads(path.read_text())
        manifest["settings"]["source"] = OF_USERS
        path.write_text(json.dumps(manifest))

    both = {"init_rngs": {"params": 0, "dropout": 1}, "rngs": {"dropout": 7}}
    for name, splits in [("split", True), ("shared", False)]:
        noisy = rnn(make(names["NoisyCell"], 3), split_rngs={"params": False, "dropout": splits})
        of_source(f"rnn_dropout_{name}", noisy, x(2, 4, 3), **both)
    for name, splits in [("split", True), ("shared", False)]:
        options = {"variable_axes": {"params": 0}, "variable_broadcast": False}
        steps = rnn(make(LSTM, 3), **options, split_rngs={"params": splits})
        case(f"rnn_parameters_of_each_step_{name}", steps, x(2, 4, 3))
    stats = rnn(make(names["NormalizedCell"], 3), variable_axes={"batch_stats": 0})
    of_source("rnn_batch_stats_of_each_step", stats, x(5, 4, 3), mutable=["batch_stats"])
    stats = rnn(make(names["NormalizedCell"], 3), variable_axes={"batch_stats": 1}, reverse=True)
    of_source("rnn_batch_stats_of_each_step_in_reverse", stats, x(5, 4, 3), lengths(4, 3, 2, 1, 4), mutable=["batch_stats"])
    sowing = rnn(make(names["SowingCell"], 3), variable_axes={"seen": 0})
    of_source("rnn_sow", sowing, x(2, 4, 3), mutable=["seen"])
    capturing = rnn(make(GRU, 3), variable_axes={"intermediates": 0})
    case("rnn_capture_of_each_step", capturing, x(2, 4, 3), capture=True)
    case("rnn_everything_shared", rnn(make(GRU, 3), variable_broadcast=True), x(2, 4, 3))


def both_directions():
    def both(forward, backward, **kwargs):
        return make(nn.Bidirectional, rnn(forward), rnn(backward), **kwargs)

    carries = {"initial_carry": (states(2, 3), states(2, 2, count=1))}
    case("bidirectional_initial_carry", both(make(LSTM, 3), make(GRU, 2), return_carry=True), x(2, 4, 3), carries)
    case("bidirectional_add", both(make(FAST, 3), make(MGU, 3), merge_fn=jnp.add), x(2, 4, 3), lengths(0, 3))
    case("bidirectional_time_major", both(make(SIMPLE, 3), make(SIMPLE, 3), time_major=True), x(4, 2, 3), lengths(1, 9))
    case("bidirectional_options_of_the_call", both(make(GRU, 3), make(GRU, 2)), x(4, 2, 3), options={"time_major": True, "return_carry": True, "reverse": True})
    case("bidirectional_capture", both(make(GRU, 3), make(GRU, 2)), x(2, 4, 3), capture=True)
    case("bidirectional_random_carry", both(make(GRU, 3, carry_init=jax.random.normal), make(GRU, 2)), x(2, 4, 3))


if __name__ == "__main__":
    cells()
    sequences()
    cells_of_users()
    both_directions()
    print(counts["case"], "cases")
