"""SGP as the shop has it: its real tables, a year of orders and every kind of dirt."""

from .canaries import CANARIES, ITEM_CANARIES
from .dirt import DIRT, DIRT_FORMA_ENVIO_ID, dirt_ids
from .dirt_case import DirtCase
from .dirt_columns import SQLITE_ONLY_DIRT
from .fill import SeedReport, seed
from .moments import DEFAULT_NOW
from .odd_images import ODD_IMAGES, OddImage
from .people import DEMO_JWT_SECRET, DEMO_LOGIN, USERS, DemoUser, sign_token
from .schema import Variant, create_schema
from .traffic import change_order, delete_order, insert_order

__all__ = [
    "CANARIES",
    "DEFAULT_NOW",
    "DEMO_JWT_SECRET",
    "DEMO_LOGIN",
    "DIRT",
    "DIRT_FORMA_ENVIO_ID",
    "ITEM_CANARIES",
    "ODD_IMAGES",
    "SQLITE_ONLY_DIRT",
    "USERS",
    "DemoUser",
    "DirtCase",
    "OddImage",
    "SeedReport",
    "Variant",
    "change_order",
    "create_schema",
    "delete_order",
    "dirt_ids",
    "insert_order",
    "seed",
    "sign_token",
]
