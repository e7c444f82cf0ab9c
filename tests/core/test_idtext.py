"""protocol 7.4: ids as people see and type them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pfw.core.idtext import BECH32M, CHARSET, checksum, decode_id, encode_id, grouped_id, polymod, short_id
from p2pfw.errors import InputError
from tests.core.making import key

KEY = key(0).public_key
TEXT = "p2pfw18d4z00xwk6jz6c4r4rgz5mcdwdjny9thrh3y8f36cpy2rz6emg5s7ht20t"
keys = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    "published",
    [
        "A1LQFN3A",
        "a1lqfn3a",
        "an83characterlonghumanreadablepartthatcontainsthetheexcludedcharactersbioandnumber11sg7hg6",
        "abcdef1l7aum6echk45nj3s0wdvt2fg8x9yrzpqzd3ryx",
        "11llllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllludsr8",
        "split1checkupstagehandshakeupstreamerranterredcaperredlc445v",
        "?1v759aa",
    ],
)
def test_the_check_characters_are_those_of_bip_350(published):
    """The valid bech32m strings of BIP-350."""
    hrp, _, data = published.lower().rpartition("1")
    values = [CHARSET.index(character) for character in data]

    assert checksum(hrp, values[:-6]) == values[-6:]
    assert polymod([ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp] + values) == BECH32M


def test_an_id_has_64_characters_and_is_frozen():
    """The id of the key whose seed is 32 zero bytes."""
    assert encode_id(KEY) == TEXT
    assert decode_id(TEXT) == KEY


@given(data=keys)
def test_every_key_survives_writing_and_reading(data):
    """In every form that is meant to be read back."""
    text = encode_id(data)

    assert re.fullmatch(r"p2pfw1[02-9ac-hj-np-z]{58}", text)
    for form in (text, text.upper(), grouped_id(data), f"  {text[:20]} {text[20:]}\n"):
        assert decode_id(form) == data


@pytest.mark.parametrize(
    "typed",
    [
        TEXT.replace("l", "1").replace("0", "O"),
        TEXT.replace("p2pfw1", "P2PFWI"),
        TEXT.replace("p2pfw1", "p2pfwl"),
        TEXT.replace("6", "b"),
        TEXT.replace("8", "B"),
        "\u2013".join(re.findall("....", TEXT)),
        "\u00a0".join(re.findall("....", TEXT)),
        "\u00ad".join(TEXT),
        f"\ufeff{TEXT}\u200b",
        TEXT.swapcase(),
    ],
)
def test_what_people_do_to_text_is_forgiven(typed):
    """Look-alikes, case, dashes and spaces of all kinds, invisible characters."""
    assert decode_id(typed) == KEY


@given(data=st.data())
def test_up_to_four_wrong_characters_are_noticed(data):
    """The code's distance is five."""
    places = data.draw(st.sets(st.integers(6, 63), min_size=1, max_size=4))
    wrong = list(TEXT)
    for place in places:
        wrong[place] = data.draw(st.sampled_from(CHARSET.replace(TEXT[place], "")))

    with pytest.raises(InputError, match="check characters"):
        decode_id("".join(wrong))


@pytest.mark.parametrize("place", range(6, 64))
def test_one_wrong_character_is_located_by_its_group(place):
    """The hint names the group of the dashed form, and never the right character (BIP-173)."""
    wrong = TEXT[:place] + ("q" if TEXT[place] != "q" else "p") + TEXT[place + 1 :]

    with pytest.raises(InputError, match=f"group {place // 8 + 1} of 8") as refused:
        decode_id(wrong)
    assert grouped_id(KEY).split("-")[place // 8] not in str(refused.value)


def test_several_wrong_characters_get_no_false_hint():
    """Two errors are not explained by any one."""
    wrong = TEXT[:10] + "qq" + TEXT[12:]

    with pytest.raises(InputError, match="group by group"):
        decode_id(wrong)


@pytest.mark.parametrize("typed", ["", TEXT[:-1], TEXT + "q", TEXT + TEXT, short_id(KEY), "q" * 10_000])
def test_length_is_never_forgiven(typed):
    """Neither less nor more, nor the short form."""
    with pytest.raises(InputError, match="64 characters"):
        decode_id(typed)


def test_the_short_form_is_refused_with_its_own_hint():
    """People paste what the output shows."""
    with pytest.raises(InputError, match="for reading only"):
        decode_id(short_id(KEY))


@pytest.mark.parametrize("typed", ["x" + TEXT[1:], TEXT.replace("p2pfw1", "bc1qqq"), "q" * 64])
def test_another_prefix_is_no_id(typed):
    """An address of something else is told apart at once."""
    with pytest.raises(InputError, match="begins with p2pfw1"):
        decode_id(typed)


@pytest.mark.parametrize("character", ["é", "!", "ß", "٣", "—!"[1], "\U0001f511"])
def test_a_foreign_character_is_named(character):
    """What looks like nothing in the alphabet."""
    with pytest.raises(InputError, match="is in no id"):
        decode_id(TEXT[:40] + character + TEXT[41:])


@pytest.mark.parametrize("pad", range(1, 16))
def test_pad_bits_are_zero(pad):
    """Another spelling of the same key, with a check that fits, is refused."""
    values = [CHARSET.index(character) for character in TEXT[6:58]]
    values[-1] |= pad
    text = "p2pfw1" + "".join(CHARSET[value] for value in (*values, *checksum("p2pfw", values)))

    with pytest.raises(InputError, match="not an id that this program has written"):
        decode_id(text)


def test_only_32_bytes_have_an_id():
    """A hash prefix or a signature is none."""
    for length in (0, 31, 33, 64):
        with pytest.raises(InputError, match="32 bytes"):
            encode_id(bytes(length))


def test_forms_for_reading():
    """Sixteen characters, and eight dashed groups of eight."""
    assert short_id(KEY) == "p2pfw18d4z00xwk6"
    assert grouped_id(KEY) == "-".join(re.findall("." * 8, TEXT))


@given(text=st.text(max_size=200))
def test_any_text_is_an_id_or_the_callers_error(text):
    """Nothing else is raised, whatever is typed."""
    with pytest.raises(InputError):
        decode_id(text)
