"""How lists are cut, names made and messages read: pure."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter

import nkeys
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import subjects
from engine.chunks import SHARE, Item, cut, domain_of
from engine.messages import MOST_BYTES, MOST_TEXT, BadMessage, Chunk, Pulse, Report, size
from engine.operators import EXPRESS, LEAST, MISC, MOST, queues
from validator.operators import default_operators

OPERATORS = st.sampled_from(["google", "microsoft", "mimecast", "somebody.example", ""])
LISTS = st.lists(st.tuples(st.integers(0, 30), OPERATORS, st.integers(1, 300)), max_size=400).map(
    lambda rows: [
        Item(place, size, f"d{number}.{operator}", operator)
        for place, (number, operator, size) in enumerate(rows, 1)
    ]
)


@given(LISTS, st.integers(1, 20), st.booleans())
def test_every_address_is_in_exactly_one_chunk_of_its_operators_queue(
    items: list[Item], nodes: int, last: bool
) -> None:
    pieces = cut(items, nodes=nodes, last=last)
    assert sorted(place for piece in pieces for place in piece.places) == [item.place for item in items]
    queue = {item.place: item.operator if item.operator in queues() else MISC for item in items}
    assert all(queue[place] == piece.queue for piece in pieces for place in piece.places)


@given(LISTS, st.integers(1, 20), st.booleans())
def test_no_chunk_has_more_than_its_queue_allows_nor_many_of_one_unnamed_domain(
    items: list[Item], nodes: int, last: bool
) -> None:
    domains = {item.place: item.domain for item in items}
    for piece in cut(items, nodes=nodes, last=last):
        assert 0 < len(piece.places) <= queues()[piece.queue] <= MOST
        if piece.queue == MISC:
            assert max(Counter(domains[place] for place in piece.places).values()) <= SHARE


@pytest.mark.parametrize("char", ["a", "\x01", "\u00e9", "\U0001f600"])
def test_no_chunk_is_too_long_for_a_message_whatever_the_addresses(char: str) -> None:
    address = char * MOST_TEXT
    items = [Item(place, size(address), "a.test") for place in range(1, 500)]
    for piece in cut(items, nodes=1, last=False):
        chunk = Chunk("j", 1, 1, piece.queue, tuple((place, address) for place in piece.places))
        assert len(chunk.encode()) <= MOST_BYTES * 1.1


def test_at_the_end_of_a_list_chunks_get_smaller_so_that_no_node_is_left_waiting() -> None:
    items = [Item(place, 10, "a.test", "google") for place in range(1, 1001)]
    sizes = [len(piece.places) for piece in cut(items, nodes=3, last=True)]
    assert sizes[0] == queues()["google"]
    assert sizes[-1] <= LEAST
    # What one node still has when the others find nothing more is a small part of the whole.
    assert max(sizes[-3:]) <= LEAST


@pytest.mark.parametrize("nodes", [1, 3, 8])
def test_nodes_that_take_chunks_in_turn_have_as_much_of_each_large_domain(nodes: int) -> None:
    # Each domain has a pace of its own at each node, so the node with most of one decides when all is done.
    names = [f"d{number}.test" for number in range(9)]
    items = [Item(place, 20, names[place % 9]) for place in range(1, 9001)]
    hands: list[Counter[str]] = [Counter() for _ in range(nodes)]
    for piece in cut(items, nodes=nodes, last=True):
        hand = min(hands, key=Counter.total)
        hand.update(names[place % 9] for place in piece.places)
    fair = 1000 / nodes
    assert all(abs(hand[name] - fair) <= SHARE / 2 for hand in hands for name in names)


def test_a_large_domain_is_begun_with_the_list_and_not_left_for_its_end() -> None:
    items = [Item(place, 20, "large.test" if place % 3 else f"d{place}.test") for place in range(1, 6001)]
    pieces = cut(items, nodes=1, last=False)
    large = [sum(place % 3 != 0 for place in piece.places) / len(piece.places) for piece in pieces]
    assert max(large) - min(large) <= 0.25


def test_a_domain_of_few_addresses_stays_whole() -> None:
    items = [Item(place, 20, f"d{place % 200}.test") for place in range(1, 6001)]
    pieces = cut(items, nodes=3, last=False)
    chunks_of = Counter(domain for piece in pieces for domain in {place % 200 for place in piece.places})
    assert sum(count > 1 for count in chunks_of.values()) < len(pieces)


def test_a_chunk_of_a_named_operator_takes_minutes_within_its_budget_not_hours() -> None:
    operators = default_operators()
    assert {"google", "microsoft", "yahoo", MISC} <= queues().keys()
    assert queues().keys() - {MISC, EXPRESS} == {name for name in operators.named if name in queues()}
    rate = operators.of("aspmx.l.google.com").budget.rate
    assert queues()["google"] / rate <= 5


@pytest.mark.parametrize(
    ("address", "domain"),
    [("a@B.test", "b.test"), ("a@b@c.test ", "c.test"), ("nonsense", ""), ("a@", ""), ("", "")],
)
def test_the_domain_of_anything_can_be_told(address: str, domain: str) -> None:
    assert domain_of(address) == domain


@pytest.mark.parametrize("name", ["", "*", ">", "a.b", "a b", "n1\n", "ü"])
def test_no_name_can_widen_a_subject(name: str) -> None:
    for make in (subjects.verdict, subjects.heartbeat, subjects.inbox):
        with pytest.raises(ValueError, match="cannot be part of a subject"):
            make(name)


def test_a_nodes_permissions_name_no_other_node() -> None:
    allowed = subjects.node_permissions("n1")
    mine = {subjects.verdict("n1"), subjects.heartbeat("n1"), f"{subjects.inbox('n1')}.>"}
    shared = {subjects.CONTROL, "$JS.API.CONSUMER.MSG.NEXT.WORK.*", "$JS.ACK.WORK.>"}
    assert {*allowed.publish, *allowed.subscribe} == mine | shared


def test_the_servers_configuration_depends_on_its_input_alone_and_refuses_what_is_no_key() -> None:
    keys = [nkeys.from_seed(nkeys.encode_seed(bytes([n]) * 32, nkeys.PREFIX_BYTE_USER)) for n in (1, 2, 3)]
    public = [key.public_key.decode() for key in keys]
    server = subjects.Server("127.0.0.1:4222", "/store", certificate="/c", key="/k", monitor="127.0.0.1:8222")
    one = subjects.server_config(server, public[0], {"n1": public[1], "n2": public[2]})
    other = subjects.server_config(server, public[0], {"n2": public[2], "n1": public[1]})
    assert one == other
    assert len(re.findall("nkey:", one)) == 3
    with pytest.raises(ValueError, match="not the public nkey"):
        subjects.server_config(server, public[0], {"n1": 'U}, permissions: {publish: ">"}'})


ROWS = st.lists(st.tuples(st.integers(1, 10**6), st.text(max_size=20)), max_size=5).map(tuple)


@given(ROWS, st.integers(1, 1000))
def test_a_chunk_is_read_as_it_was_written(rows: tuple[tuple[int, str], ...], number: int) -> None:
    chunk = Chunk("j", number, 1, "google", rows)
    assert Chunk.decode(chunk.encode()) == chunk


@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_a_message_of_any_bytes_is_read_or_refused_in_one_way(data: bytes) -> None:
    for kind in (Chunk, Report, Pulse):
        read = None
        with contextlib.suppress(BadMessage):
            read = kind.decode(data)
        assert read is None or isinstance(read, kind)


@pytest.mark.parametrize(
    "verdict",
    ['{"status": "NONSENSE"}', "{}", "7", '{"status": "VALID", "confidence": NaN}', '{"status": ["VALID"]}'],
)
def test_a_report_with_a_verdict_that_is_none_is_refused(verdict: str) -> None:
    with pytest.raises(BadMessage):
        Report.decode(f'[["j", 1, 1, [], false, 0], [[1, {verdict}]]]'.encode())


def test_a_report_may_not_name_a_row_that_no_list_has() -> None:
    for place in ("-1", "2147483648", "true", '"1"', "1.5"):
        with pytest.raises(BadMessage):
            Report.decode(f'[["j", 1, 1, [], false, 0], [[{place}, {{"status": "VALID"}}]]]'.encode())
