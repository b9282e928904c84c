"""What holds for any name, mailbox and URI, whatever Go's tables say of this one or that one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flotilla_mixer.expressions import mailboxes, names, punycode, uris
from flotilla_shared.model.expressions import parse_duration

LETTERS = st.sampled_from([*"abzAZ019-._é日א٠ßςΣİ\u0301\u00ad☃", "xn--", "ab--"])
NAMES = st.lists(LETTERS, max_size=12).map("".join)
PARTS = st.sampled_from([*"aZ0/?#@:.%[]&=;+ é", "http:", "//", "%41", "%2f", "%zz", "[::1]", "user:pw@"])
URIS = st.lists(PARTS, max_size=10).map("".join)
WORDS = st.text(
    alphabet=st.characters(min_codepoint=33, exclude_categories=["Cs"], exclude_characters='"\\'), max_size=8
)


def read(function, text):
    try:
        return function(text)
    except ValueError:
        return None


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20))
def test_punycode_reads_what_python_writes(text):
    assert punycode.decode(text.encode("punycode").decode()) == text


@given(st.text(alphabet="abz09-AZ", max_size=20))
def test_punycode_is_a_text_or_refused(text):
    found = read(punycode.decode, text)
    assert found is None or found.encode("punycode").decode().lower() == text.lower() or text.endswith("-")


@given(NAMES)
def test_a_name_that_was_checked_is_checked(text):
    found = read(names.checked, text)
    if found is not None:
        assert read(names.checked, found) in (found, None)  # what stood encoded may be more than may be written


@given(NAMES)
def test_comparing_knows_no_case(text):
    found = read(names.comparable, text)
    if found is not None and text.isascii():
        assert names.comparable(text.upper().replace("XN--", "xn--")) == found
        assert found == found.lower()


@given(NAMES)
def test_a_dot_at_the_end_says_nothing(text):
    found = read(names.comparable, text)
    if found and not found.endswith("."):
        assert names.comparable(f"{found}.") == found or "xn--" in text


@given(URIS)
def test_a_uri_that_was_written_reads_the_same(text):
    found = read(uris.read_uri, text)
    if found is None:
        return
    again = read(uris.read_uri, str(found))
    assert again is None or str(again) == str(found)


@given(URIS)
def test_a_uri_is_itself(text):
    if read(uris.read_uri, text) is not None:
        assert read(lambda each: uris.same(each, each), text) in (True, None)


@given(URIS, st.text(alphabet="/?#abc", max_size=5))
def test_the_path_counts_to_the_letter(text, more):
    one, other = f"ftp://h/{text}", f"ftp://h/{text}x{more}"
    if read(uris.read_uri, one) is not None and read(uris.read_uri, other) is not None:
        assert uris.same(one, other) is False


@given(WORDS.filter(bool), st.sampled_from(["b.c", "B.c.d", "bücher.de"]))
def test_a_local_part_may_be_quoted(local, domain):
    quoted = mailboxes.read_mailbox(f'"{local}"@{domain}')
    assert (quoted.local, quoted.domain, quoted.name) == (local, domain, "")
    assert mailboxes.read_mailbox(f'<"{local}"@{domain}>') == quoted
    assert mailboxes.read_mailbox(f' "{local}"@{domain}\t') == quoted
    escaped = "".join(f"\\{each}" for each in local)
    assert mailboxes.read_mailbox(f'"{escaped}"@{domain}') == quoted
    named = mailboxes.read_mailbox(f'Somebody "{local}" <a@{domain}>')
    assert (named.local, named.name.split()[0]) == ("a", "Somebody")


@given(st.lists(st.sampled_from([*'ab@.<>()\\"[]:;, \t\n', "a@b", "=?utf-8?q?a?="]), max_size=14).map("".join))
def test_a_mailbox_is_read_or_refused(text):
    found = read(mailboxes.read_mailbox, text)
    assert found is None or (found.local and found.domain)


UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "ns": 1}


@given(st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(list(UNITS))), min_size=1, max_size=5), st.booleans())
def test_whole_durations_add_up(parts, negative):
    text = ("-" if negative else "") + "".join(f"{number}{unit}" for number, unit in parts)
    total = sum(number * UNITS[unit] for number, unit in parts)
    assert parse_duration(text) == (-total if negative else total)


@given(st.text(alphabet="0123456789.", max_size=60), st.sampled_from(list(UNITS)))
def test_a_fraction_is_near(digits, unit):
    found = parse_duration(digits + unit)
    try:
        wanted = float(digits) * UNITS[unit]
    except ValueError:
        assert found is None
        return
    assert found is None or found == pytest.approx(wanted, rel=1e-9, abs=2)
