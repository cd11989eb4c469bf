"""Raw ids as integer codes: block by block, in memory that the distinct ids need, not the rows."""

import dataclasses

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_LARGEST_LOOKUP = 1 << 26
_PENDING_BYTES = 256 << 20
_INTEGER = r"^(0|-?[1-9][0-9]*)$"


@dataclasses.dataclass(frozen=True)
class CodedIds:
    """A column of ids.

    Attributes:
        codes: int32 [N], index into `ids`.
        ids: string [distinct], ascending: as numbers where `are_integers`, otherwise byte by byte.
        are_integers: whether every id is an integer as Python would write it.
    """

    codes: np.ndarray
    ids: pa.StringArray
    are_integers: bool


class IdColumn:
    """Collects a column of ids in blocks.

    Examples:
        >>> column = IdColumn()
        >>> column.add(np.array([20, 3], np.int32))
        >>> column.add(pa.array(["x"]))
        >>> column.finish().ids.to_pylist()
        ['20', '3', 'x']
    """

    def __init__(self) -> None:
        self._integers: list[np.ndarray] = []
        self._texts = pa.array([], pa.string())
        self._pending: list[pa.Array] = []
        self._pending_bytes = 0
        self._text_codes: list[np.ndarray] = []
        self._are_text: list[tuple[bool, int]] = []

    def add(self, block: np.ndarray | pa.Array) -> None:
        """Appends ids: integers, int32 or int64 [n], or string [n]; none is null."""
        is_text = not isinstance(block, np.ndarray)
        self._are_text.append((is_text, len(block)))
        if not is_text:
            self._integers.append(block)
            return
        self._pending.append(block)
        self._pending_bytes += block.nbytes
        if self._pending_bytes > _PENDING_BYTES:
            self._encode_pending()

    def _encode_pending(self) -> None:
        """Codes what has been collected; ids that are known already keep their codes, which come first."""
        if not self._pending:
            return
        encoded = pa.chunked_array([self._texts, *self._pending], pa.string()).dictionary_encode()
        sizes = [len(block) for block in self._pending]
        self._pending, self._pending_bytes = [], 0
        indices = np.concatenate([chunk.indices.to_numpy() for chunk in encoded.chunks])
        self._texts = encoded.chunk(encoded.num_chunks - 1).dictionary
        self._text_codes.append(indices[len(indices) - sum(sizes) :])

    def finish(self) -> CodedIds:
        """The codes of all blocks and the ids; the column is empty afterwards."""
        self._encode_pending()
        if not any(is_text for is_text, _ in self._are_text):
            codes, numbers = _encode_integers(self._integers)
            return CodedIds(codes, pa.array(numbers).cast(pa.string()), True)
        codes, ids = self._merged()
        order, are_integers = _ascending(ids)
        code_of = np.empty(len(ids), np.int32)
        code_of[order] = np.arange(len(ids), dtype=np.int32)
        return CodedIds(code_of[codes], ids.take(pa.array(order)), are_integers)

    def _merged(self) -> tuple[np.ndarray, pa.StringArray]:
        """Codes of the blocks in their order, whether integers or text, and what they index."""
        text_codes = np.concatenate(self._text_codes)
        self._text_codes = []
        if not self._integers:
            return text_codes, self._texts
        integer_codes, numbers = _encode_integers(self._integers)
        as_text = pa.array(numbers).cast(pa.string())
        both = pa.chunked_array([self._texts, as_text], pa.string()).dictionary_encode()
        known = np.concatenate([chunk.indices.to_numpy() for chunk in both.chunks])
        integer_codes = known[len(self._texts) :][integer_codes]
        parts, positions = [], {True: 0, False: 0}
        for is_text, size in self._are_text:
            start = positions[is_text]
            parts.append((text_codes if is_text else integer_codes)[start : start + size])
            positions[is_text] += size
        return np.concatenate(parts), both.chunk(both.num_chunks - 1).dictionary


def _encode_integers(blocks: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """int32 [N] codes and the ascending integers that they index; empties the list of blocks."""
    values: np.ndarray = np.concatenate(blocks)
    blocks.clear()
    low, high = int(values.min()), int(values.max())
    if high - low >= _LARGEST_LOOKUP:
        ids, codes = np.unique(values, return_inverse=True)
        return codes.astype(np.int32), ids.astype(np.int64)
    values -= low
    present = np.zeros(high - low + 1, bool)
    present[values] = True
    code_of = np.cumsum(present, dtype=np.int32) - 1
    return code_of[values], np.flatnonzero(present) + low


def _ascending(ids: pa.StringArray) -> tuple[np.ndarray, bool]:
    """The order of distinct ids, and whether each is an integer: then the order is that of numbers."""
    if not pc.all(pc.match_substring_regex(ids, _INTEGER)).as_py():
        return _in_byte_order(ids), False
    negative = pc.starts_with(ids, "-").to_numpy(zero_copy_only=False)
    order = np.arange(len(ids))
    return np.concatenate(
        [
            order[negative][_by_length_then_text(ids.filter(pa.array(negative)))][::-1],
            order[~negative][_by_length_then_text(ids.filter(pa.array(~negative)))],
        ]
    ), True


def _by_length_then_text(ids: pa.StringArray) -> np.ndarray:
    table = pa.table({"length": pc.binary_length(ids), "text": ids})
    keys = [("length", "ascending"), ("text", "ascending")]
    return pc.sort_indices(table, sort_keys=keys).to_numpy()


def _in_byte_order(ids: pa.StringArray) -> np.ndarray:
    """As sorting the bytes does, by the first eight as one number and then, where these are equal, by all."""
    offsets = np.frombuffer(ids.buffers()[1], np.int32)[ids.offset : ids.offset + len(ids) + 1].astype(
        np.int64
    )
    letters = np.frombuffer(ids.buffers()[2], np.uint8)
    lengths = np.diff(offsets)
    prefix = np.zeros(len(ids), np.uint64)
    for place in range(8):
        has = lengths > place
        prefix <<= np.uint64(8)
        prefix[has] |= letters[offsets[:-1][has] + place]
    order = np.argsort(prefix, kind="stable")
    ranked = prefix[order]
    equal = ranked[1:] == ranked[:-1]
    tied = np.concatenate([equal, [False]]) | np.concatenate([[False], equal])
    if tied.any():
        places = np.flatnonzero(tied)
        rows = order[places]
        table = pa.table({"prefix": pa.array(prefix[rows]), "text": ids.take(pa.array(rows))})
        keys = [("prefix", "ascending"), ("text", "ascending")]
        order[places] = rows[pc.sort_indices(table, sort_keys=keys).to_numpy()]
    return order
