"""Whether a store's crops are those that a trial asks for."""

from merjax.config import DataConfig
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
