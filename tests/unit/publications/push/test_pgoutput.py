"""What is no message of pgoutput's is refused, wherever it ends or breaks."""

from __future__ import annotations

import struct

import pytest

from publications.push.pgoutput import Begin, Commit, Decoder, DecodingError, Truncate, Unchanged, Upsert

pytestmark = pytest.mark.unit

RELATION = (
    b"R" + struct.pack(">I", 7) + b"vitrine\0pedidos\0d" + struct.pack(">H", 3)
    + b"\x01id\0" + struct.pack(">Ii", 23, -1)
    + b"\0cliente\0" + struct.pack(">Ii", 25, -1)
    + b"\0items\0" + struct.pack(">Ii", 3802, -1)
)  # fmt: skip
ROW = struct.pack(">H", 3) + b"t" + struct.pack(">I", 1) + b"5" + b"n" + b"u"
UPDATE = b"U" + struct.pack(">I", 7) + b"N" + ROW


def test_a_row_is_read_with_its_nulls_and_what_was_left_alone() -> None:
    decoder = Decoder()
    assert decoder.decode(RELATION) is None
    event = decoder.decode(UPDATE)
    assert isinstance(event, Upsert)
    assert event.relation.identity == {"id"}
    assert event.row == {"id": "5", "cliente": None, "items": Unchanged.VALUE}
    assert decoder.decode(b"T" + struct.pack(">IBI", 1, 0, 7)) == Truncate((event.relation,))


def test_a_transaction_is_framed_by_its_places() -> None:
    decoder = Decoder()
    assert decoder.decode(b"B" + struct.pack(">qqI", 2**33, 0, 9)) == Begin(2**33)
    assert decoder.decode(b"C" + struct.pack(">Bqqq", 0, 2**33, 2**33 + 8, 0)) == Commit(2**33, 2**33 + 8)
    assert decoder.decode(b"O" + struct.pack(">q", 1) + b"pg_16\0") is None


def test_of_what_had_arrived_only_the_frame_is_read() -> None:
    decoder = Decoder(after=2**33)
    decoder.decode(b"B" + struct.pack(">qqI", 2**33, 0, 9))
    assert decoder.decode(RELATION) is None
    assert decoder.decode(UPDATE) is None
    decoder.decode(b"B" + struct.pack(">qqI", 2**33 + 1, 0, 9))
    assert isinstance(decoder.decode(UPDATE), Upsert)


@pytest.mark.parametrize("length", range(1, len(UPDATE)))
def test_a_message_that_ends_early_is_refused(length: int) -> None:
    decoder = Decoder()
    decoder.decode(RELATION)
    with pytest.raises(DecodingError):
        decoder.decode(UPDATE[:length])


@pytest.mark.parametrize("message", [b"Z", b"", b"I" + struct.pack(">I", 8) + b"N" + ROW, RELATION[:12]])
def test_what_is_not_known_is_refused(message: bytes) -> None:
    with pytest.raises(DecodingError):
        Decoder().decode(message)


def test_a_row_of_another_width_is_refused() -> None:
    decoder = Decoder()
    decoder.decode(RELATION)
    with pytest.raises(DecodingError, match="has 3 columns, and 2 came"):
        decoder.decode(b"I" + struct.pack(">I", 7) + b"N" + struct.pack(">H", 2) + b"nn")
