"""The training form keeps a person's choices for each dataset."""

from __future__ import annotations

from typing import Any

from ui.train.form_values import CHOICES, DEFAULTS, OWN_FILE, fill_in, follow, is_changed, key, reset, value
from vae.config import Config

FILES = {"/a.npz", "/b.npz"}


class Form:
    """The form as a person uses it."""

    def __init__(self) -> None:
        self.store: dict[str, Any] = {}
        self.choose()

    def choose(self, **values: Any) -> Form:
        self.store.update({key(field): chosen for field, chosen in values.items()})
        follow(self.store, FILES.__contains__)
        return self

    def __getattr__(self, field: str) -> Any:
        return value(self.store, field)


def test_every_setting_but_the_dataset_and_the_name_is_a_datasets_own() -> None:
    assert set(DEFAULTS) - set(CHOICES) == {"dataset", "path", "name"}
    assert set(CHOICES) <= set(Config().to_json())


def test_a_number_typed_for_one_dataset_never_becomes_that_of_another() -> None:
    form = Form()
    form.choose(dataset="mnist").choose(epochs=8, batch_size=32, lr=0.01, hidden="64", C="10")
    form.choose(dataset="digits")
    assert [form.epochs, form.batch_size, form.lr, form.hidden, form.C] == [None, None, None, "", ""]
    form.choose(epochs=300, name="mine")
    form.choose(dataset="mnist")
    assert [form.epochs, form.batch_size, form.lr, form.hidden, form.C] == [8, 32, 0.01, "64", "10"]
    assert form.name == "mine"
    assert form.choose(dataset="digits").epochs == 300


def test_typed_and_left_in_one_message_it_stays_where_it_was_typed() -> None:
    form = Form().choose(dataset="mnist")
    form.choose(epochs=8, dataset="digits")  # the field gives its number when the next dataset is clicked
    assert form.epochs is None
    assert form.choose(dataset="mnist").epochs == 8


def test_each_file_has_its_own_and_what_was_chosen_before_one_was_named_is_meant_for_it() -> None:
    form = Form().choose(dataset=OWN_FILE).choose(epochs=5)
    form.choose(path="/a.np")  # not yet whole
    assert form.choose(path=" /a.npz ").epochs == 5
    assert form.choose(path="/b.npz").epochs is None
    form.choose(epochs=6)
    assert form.choose(path="/gone.npz").epochs is None
    assert form.choose(path="/b.npz").epochs == 6
    assert form.choose(path="/a.npz").epochs == 5
    assert form.choose(dataset="digits").epochs is None


def test_defaults_are_one_call_back_and_leave_the_others_alone() -> None:
    form = Form().choose(dataset="mnist").choose(epochs=8).choose(dataset="digits")
    assert not is_changed(form.store)
    form.choose(latent_dim=10, activation="tanh", name="mine")
    assert is_changed(form.store)
    reset(form.store)
    assert not is_changed(form.store)
    assert (form.dataset, form.name, form.latent_dim, form.activation) == ("digits", "mine", 2, "relu")
    assert form.choose(dataset="mnist").epochs == 8


def test_copied_settings_are_the_new_choices_of_their_dataset_only() -> None:
    form = Form().choose(dataset="mnist").choose(epochs=8).choose(dataset="digits").choose(epochs=3)
    fill_in(form.store, {"dataset": "mnist", "epochs": 20, "seed": 5})
    form.choose()
    assert (form.dataset, form.epochs, form.seed, form.latent_dim) == ("mnist", 20, 5, 2)
    assert form.choose(dataset="digits").epochs == 3
    assert form.choose(dataset="mnist").epochs == 20
