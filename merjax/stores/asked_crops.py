"""Whether a store's crops are those that a trial asks for, and whether it holds the feature that a method reads."""

from merjax.config import DataConfig
from merjax.stores.features import FROM_FRAMES
from merjax.stores.held_features import HeldFeature
from merjax.stores.store import Store
from merjax.system.errors import MerjaxError

_NAMES = {"ours": "merjax's own geometry", "authors": "the authors' geometry"}


def refuse_other_crops(store: Store, data: DataConfig) -> None:
    """Refuse a store whose crops are not what a config asks for; one of flow images holds none and fits all.

    Raises:
        MerjaxError: they have the other geometry or the other colour; the message says what to write or to run.
    """
    if not store.crops:
        return
    if store.geometry != data.geometry:
        raise MerjaxError(
            f"{store.path} holds crops in {_NAMES[store.geometry]}, but data.geometry is {data.geometry}; write data.geometry: "
            f"{store.geometry}, or prepare the clips with --geometry {data.geometry}"
        )
    if data.colour not in ("any", store.colour):
        raise MerjaxError(
            f"{store.path} holds crops in {store.colour}, but data.colour is {data.colour}; write data.colour: {store.colour}, "
            f"or prepare the clips with --colour {data.colour}"
        )


def feature_of(store: Store, name: str) -> HeldFeature:
    """A feature of a store, for a method that reads it.

    Raises:
        MerjaxError: the store does not hold it; the message says how to add it.
    """
    if name in store.features:
        return store.features[name]
    if name in FROM_FRAMES and not store.crops:
        raise MerjaxError(without_frames(store, name))
    raise MerjaxError(
        f"{store.path} holds no {name}, which this method reads; add it with `merjax prepare --features {name} --out "
        f"{store.path}`"
    )


def without_frames(store: Store, name: str) -> str:
    """Why a store of ready flow images cannot give a feature, and what to do."""
    return (
        f"{store.path} was made of ready flow images and holds no frames, from which {name} is computed; prepare the clips "
        f"themselves with `merjax prepare --casme2 RELEASE --features {name} --out STORE`"
    )
