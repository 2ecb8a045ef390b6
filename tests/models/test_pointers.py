"""A pointer file is read as it was written, and what is cut short or nonsense is refused in one sentence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.core.errors import ModelError
from stream.models.pointers import POINTER_BYTES, TEAM_LINES, Pointer, encode_pointer, is_version, parse_pointer

A, B, C = "2026-01-01-aaaa", "2026-01-02-bbbb", "2026-01-03-cccc"
versions = st.from_regex(r"2026-0[1-9]-1[0-9]-[0-9a-f]{4,12}", fullmatch=True)
teams = st.text(st.characters(exclude_categories=["Cs"]), max_size=12).filter(lambda name: name != "default")
pointers = st.builds(Pointer, versions, st.dictionaries(teams, versions, max_size=5))


def refused(data: bytes) -> str:
    """The sentence by which the bytes are refused."""
    with pytest.raises(ModelError) as caught:
        parse_pointer(data, "here")
    message = str(caught.value)
    assert message.startswith("here: ")
    assert "\n" not in message
    return message


@given(pointers)
def test_decode_is_the_inverse_of_encode(pointer: Pointer) -> None:
    """Any teams and patterns come back, in their order."""
    again = parse_pointer(encode_pointer(pointer), "here")
    assert again == pointer
    assert list(again.teams) == list(pointer.teams)


@given(pointers, st.data())
def test_a_half_written_pointer_is_never_another_table(pointer: Pointer, data: st.DataObject) -> None:
    """Cut anywhere it is refused, or a shorter version's name that no store has; never a table that lacks teams."""
    whole = encode_pointer(pointer)
    cut = whole[: data.draw(st.integers(0, len(whole.rstrip()) - 1))]
    try:
        seen = parse_pointer(cut, "here")
    except ModelError:
        return
    assert not pointer.teams
    assert seen.teams == {}
    assert pointer.default.startswith(seen.default)


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Random bytes never raise anything else."""
    try:
        pointer = parse_pointer(data, "here")
    except ModelError as error:
        told = str(error)
    else:
        told = "here: " if is_version(pointer.default) else pointer.default
    assert told.startswith("here: ")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "holds '', which is not the name of a version"),
        (b"../../etc", "not the name of a version"),
        (b"\xff\xfe", "not the name of a version"),
        (f"{A}/..".encode(), "not the name of a version"),
        (f"{A}\n{B}\n".encode(), "not the name of a version"),
        (f'"pay" = "{A}"\n'.encode(), "lacks the line default"),
        (f'default = "{A}"\npay = "{B}'.encode(), "neither a version nor a table"),
        (f'default = "{A}"\ndefault = "{B}"'.encode(), "neither a version nor a table"),
        (f'default = "{A}"\n[team]\npay = "{B}"'.encode(), "'team' holds"),
        (b'default = "../../etc"', "'default' holds '../../etc'"),
        (b"default = 7", "'default' holds '7'"),
        (b"x" * (POINTER_BYTES + 1), f"has {POINTER_BYTES + 1} bytes"),
        (b"a = " + b"[" * 5_000, "neither a version nor a table"),
        (f'default = "{A}"\n'.encode() + b"".join(f't{n} = "{A}"\n'.encode() for n in range(TEAM_LINES)), "at most"),
    ],
)
def test_nonsense_is_refused(data: bytes, told: str) -> None:
    """Each fault is told by what it is."""
    assert told in refused(data)


def test_the_table_as_people_write_it() -> None:
    """The default may stand anywhere; exact names win, then patterns in the file's order, then the default."""
    pointer = parse_pointer(
        f'# teams first\ndefault = "{A}"\npayments = "{B}"\n"pay*" = "{C}"\n"p*" = "{A}"\n'.encode(), "x"
    )
    served = {team: pointer.version_of(team) for team in ("payments", "pay-eu", "platform", "web", "PAY-eu")}
    assert served == {"payments": B, "pay-eu": C, "platform": A, "web": A, "PAY-eu": A}
    assert pointer.versions == (A, B, C)
