"""This node's voice: numbers that are never used twice, words that are on disk before they are heard."""

import asyncio
from itertools import pairwise

import pytest

from p2pfw.app.originating import EPOCH_SETTING, Document, Originator, Statements
from p2pfw.core.announcement import Action, Announcement, Category, Entry, Kind
from p2pfw.core.identity import SigningKey, network_id
from p2pfw.errors import NotAcceptableError, StoreError
from tests.app.fakes import START, FakeClock, FakeStore
from tests.app.world import key

NETWORK = network_id("example")


def draft(text: str = "203.0.113.1") -> Statements:
    """One BLOCK for an hour."""
    entry = Entry(key=key(text), action=Action.BLOCK, category=Category.SSH, confidence=7, ttl=3_600)
    return Statements(entries=[entry])


class Voice:
    """An originator, with what it signed and what it told."""

    def __init__(self) -> None:
        self.store, self.clock = FakeStore(), FakeClock()
        self.told: list[Announcement] = []
        self.kept_when_told: list[bool] = []
        self.one = Originator(SigningKey(bytes(31) + b"\x07"), NETWORK, self.store, self.clock, self._hear)

    def _hear(self, announcement: Announcement) -> None:
        self.told.append(announcement)
        self.kept_when_told.append(announcement.id in self.store.held)


async def test_an_epoch_is_above_everything_known():
    """Above the clock, the last one on disk, and the newest announcement; and on disk before its first use."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    assert voice.one.position == (START * 1_000, 0)
    await voice.one.begin(START * 1_000 + 5, (START * 1_000 + 9, 3))

    assert voice.one.position == (START * 1_000 + 10, 0)
    assert voice.store.values[EPOCH_SETTING] == START * 1_000 + 10


async def test_an_epoch_grows_also_when_the_clock_goes_back():
    """A wrong clock at start cannot make a number come again."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    voice.clock.wall -= 86_400
    await voice.one.begin(0, (0, 0))

    assert voice.one.position[0] > START * 1_000


async def test_what_is_told_is_on_disk():
    """Synced before anybody hears of it."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    await voice.one.say([draft(), draft("203.0.113.2")])

    assert voice.kept_when_told == [True, True]
    assert [one.header.seq for one in voice.told] == [1, 2]


async def test_a_number_is_used_up_by_a_failed_commit():
    """Nothing was said, and the number never comes again: it might have reached the disk after all."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    voice.store.fill_up()
    with pytest.raises(StoreError):
        await voice.one.say([draft(), draft()])
    assert voice.told == []
    voice.store.repair()
    (said,) = await voice.one.say([draft()])

    assert said.header.seq == 3


async def test_concurrent_words_get_numbers_of_their_own():
    """Whoever speaks at the same time: no two headers share (epoch, seq), and they are told in order."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    await asyncio.gather(*(voice.one.say([draft(), draft()]) for _ in range(20)), voice.one.overtaken(START * 1_000, 9))
    orders = [one.header.order for one in voice.told]

    assert len(set(orders)) == 40
    assert all(one < other for one, other in pairwise(orders))


async def test_being_overtaken_moves_above():
    """A peer proved that we said (epoch, seq) once: the next word is newer."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    epoch = START * 1_000 + 77
    await voice.one.overtaken(epoch, 5)
    (said,) = await voice.one.say([draft()])

    assert said.header.order > (epoch, 5)


async def test_being_shown_our_own_past_changes_nothing():
    """What we know of does not overtake us."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    await voice.one.say([draft()])
    before = voice.one.position
    await voice.one.overtaken(before[0], before[1] - 1)

    assert voice.one.position == before


async def test_an_epoch_that_is_not_on_disk_is_not_used():
    """When the disk refuses the new epoch, the old one goes on."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    before = voice.one.position
    voice.store.fill_up()
    with pytest.raises(StoreError):
        await voice.one.overtaken(before[0] + 10, 1)

    assert voice.one.position == before


async def test_silence_has_causes_that_end_one_by_one():
    """It lasts until the last cause is gone, and names one of them."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    voice.one.hold("clock", "its clock is wrong")
    voice.one.hold("restored", "it was restored")
    with pytest.raises(NotAcceptableError, match="its clock is wrong"):
        await voice.one.say([draft()])
    voice.one.release("clock")
    assert voice.one.held == "it was restored"
    assert voice.one.is_held_by("restored")
    voice.one.release("restored")

    assert await voice.one.say([draft()])


async def test_a_word_may_be_dated_later():
    """`not_before`: a pardon is stamped no earlier than what it takes back."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    later = Statements(entries=draft().entries, not_before=START + 50)
    (said,) = await voice.one.say([later])

    assert said.header.created == START + 50


async def test_documents_of_other_kinds_are_numbered_alike():
    """One order for all kinds."""
    voice = Voice()
    await voice.one.begin(0, (0, 0))
    await voice.one.say([draft()])
    (said,) = await voice.one.say([Document(kind=Kind.VOUCH, body=b"x", expires=START + 3_600)])

    assert (said.header.seq, said.header.kind) == (2, Kind.VOUCH)
    assert voice.one.next_position() == (said.header.epoch, 3)
