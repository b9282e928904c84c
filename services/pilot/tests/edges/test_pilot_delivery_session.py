"""What a stream is sent, in which order: the rules of delivery/session.py, without a stream."""

import pytest

from flotilla_pilot.delivery.request import Dialect, RequestRefused, parse_request
from flotilla_pilot.delivery.session import Session
from flotilla_pilot.delivery.watch import Sent
from flotilla_pilot.testing.discovery import (
    SHORT,
    Response,
    Table,
    compiled,
    decode,
    delta_request,
    resource,
    sotw_request,
)

BOTH: list[Dialect] = ["sotw", "delta"]
FIRST: Table = {
    "cds": {"a": "a1", "b": "b1"},
    "eds": {"a": "ea1"},
    "lds": {"l": "l1"},
    "rds": {"r": "r1"},
}


class Heard:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, tuple[str, ...]]] = []

    def sent(self, sent: Sent) -> None:
        pass

    def acknowledged(self, sent: Sent) -> None:
        self.events.append(("ack", sent.type_url, tuple(sorted(sent.news))))

    def rejected(self, sent: Sent, text: str) -> None:
        self.events.append(("nack", sent.type_url, tuple(sorted(sent.news))))

    def expired(self, type_url: str) -> None:
        self.events.append(("expired", type_url, ()))


class Proxy:
    """A proxy's side of a session. Each step gives what was sent for it."""

    def __init__(self, dialect: Dialect, table: Table = FIRST) -> None:
        self.dialect: Dialect = dialect
        self.heard = Heard()
        self.session = Session(dialect, self.heard)
        self.names: dict[str, tuple[str, ...]] = {}
        self.last: dict[str, Response] = {}
        self.pushes = 0
        self.push(table)

    def push(self, table: Table) -> list[Response]:
        self.pushes += 1
        return self._decode(self.session.push(f"v{self.pushes}", compiled(table)))

    def ask(self, short: str, *names: str, **initial: str) -> list[Response]:
        if self.dialect == "sotw":
            self.names[short] = names
            return self.send(sotw_request(short, names))
        return self.send(delta_request(short, names, initial=initial))

    def ack(self, *responses: Response) -> list[Response]:
        return [each for response in responses for each in self._answer(response, "")]

    def nack(self, response: Response, text: str) -> list[Response]:
        return self._answer(response, text)

    def ack_all(self, responses: list[Response]) -> list[Response]:
        """Acknowledge, and whatever comes for it too; gives all that came."""
        came = []
        while responses:
            responses = self.ack(*responses)
            came += responses
        return came

    def send(self, message: bytes) -> list[Response]:
        return self._decode(self.session.request(parse_request(self.dialect, message)))

    def connect(self) -> None:
        """As Envoy starts: each type asked for, answered and acknowledged."""
        for short, names in (("cds", ()), ("eds", ("a",)), ("lds", ()), ("rds", ("r",))):
            self.ack_all(self.ask(short, *names))

    def _answer(self, response: Response, error: str) -> list[Response]:
        if self.dialect == "sotw":
            names = self.names.get(response.type, ())
            return self.send(sotw_request(response.type, names, response.nonce, response.version, error))
        return self.send(delta_request(response.type, nonce=response.nonce, error=error))

    def _decode(self, messages: list[bytes]) -> list[Response]:
        return [decode(self.dialect, each) for each in messages]


def said(responses: list[Response]) -> list[tuple[str, tuple[str, ...]]]:
    """Type and bodies of each."""
    return [(each.type, tuple(sorted(each.resources.values()))) for each in responses]


@pytest.fixture(params=BOTH)
def proxy(request: pytest.FixtureRequest) -> Proxy:
    return Proxy(request.param)


class TestFirstRequests:
    def test_each_type_is_answered_with_all_that_is_asked_for(self, proxy: Proxy) -> None:
        assert said(proxy.ask("cds")) == [("cds", ("a1", "b1"))]
        assert said(proxy.ask("eds", "a")) == [("eds", ("ea1",))]
        assert said(proxy.ask("lds")) == [("lds", ("l1",))]
        assert said(proxy.ask("rds", "r")) == [("rds", ("r1",))]

    def test_nothing_to_hold_is_said_too_so_that_nobody_waits(self, proxy: Proxy) -> None:
        proxy.push({})
        assert said(proxy.ask("cds")) == [("cds", ())]
        assert said(proxy.ask("lds")) == [("lds", ())]

    def test_a_type_that_pilot_does_not_serve_is_ignored(self, proxy: Proxy) -> None:
        message = (sotw_request if proxy.dialect == "sotw" else delta_request)("type.googleapis.com/x.Secret")
        assert proxy.send(message) == []
        assert proxy.session.watches == {}

    def test_before_anything_is_compiled_requests_wait(self) -> None:
        for dialect in BOTH:
            session = Session(dialect, Heard())
            message = (sotw_request if dialect == "sotw" else delta_request)("lds")
            assert session.request(parse_request(dialect, message)) == []
            (answer,) = session.push("v1", compiled(FIRST))
            assert said([decode(dialect, answer)]) == [("lds", ("l1",))]

    def test_listeners_by_name_are_those_alone(self, proxy: Proxy) -> None:
        proxy.push({"lds": {"l": "l1", "m": "m1"}})
        assert said(proxy.ask("lds", "m")) == [("lds", ("m1",))]
        assert said(proxy.push({"lds": {"l": "l2", "m": "m1"}})) == []

    @pytest.mark.parametrize("dialect", BOTH)
    def test_a_star_asks_for_everything(self, dialect: Dialect) -> None:
        assert said(Proxy(dialect).ask("rds", "*")) == [("rds", ("r1",))]


class TestPushes:
    def test_an_unaffected_proxy_gets_nothing(self, proxy: Proxy) -> None:
        proxy.connect()
        assert proxy.push(FIRST) == []
        assert not proxy.session.waiting

    def test_only_what_is_watched_is_sent(self, proxy: Proxy) -> None:
        proxy.ack_all(proxy.ask("lds"))
        assert said(proxy.push({**FIRST, "lds": {"l": "l2"}, "rds": {"r": "r2"}})) == [("lds", ("l2",))]

    def test_order_is_clusters_endpoints_listeners_routes(self, proxy: Proxy) -> None:
        proxy.connect()
        pushed = proxy.push(
            {"cds": {"a": "a2", "b": "b1"}, "eds": {"a": "ea2"}, "lds": {"l": "l2"}, "rds": {"r": "r2"}}
        )
        assert [each.type for each in pushed] == ["cds", "eds", "lds", "rds"]

    def test_endpoints_follow_every_cluster_that_has_them_at_once(self, proxy: Proxy) -> None:
        proxy.connect()
        pushed = proxy.push({**FIRST, "cds": {"a": "a2", "b": "b1"}})
        whole = ("a2", "b1") if proxy.dialect == "sotw" else ("a2",)
        assert said(pushed) == [("cds", whole), ("eds", ("ea1",))]

    def test_a_cluster_without_endpoints_brings_none(self, proxy: Proxy) -> None:
        proxy.connect()
        assert [each.type for each in proxy.push({**FIRST, "cds": {"a": "a1", "b": "b2"}})] == ["cds"]

    def test_endpoints_alone_do_not_bring_their_cluster(self, proxy: Proxy) -> None:
        proxy.connect()
        assert said(proxy.push({**FIRST, "eds": {"a": "ea2"}})) == [("eds", ("ea2",))]

    def test_equal_content_made_of_other_objects_is_not_sent(self, proxy: Proxy) -> None:
        proxy.connect()
        again = compiled(FIRST)
        assert again.resources[SHORT["lds"]]["l"] is not compiled(FIRST).resources[SHORT["lds"]]["l"]
        assert proxy.session.push("v9", again) == []

    def test_removal_of_a_listener(self, proxy: Proxy) -> None:
        proxy.connect()
        (removal,) = proxy.push({**FIRST, "lds": {}})
        assert removal.resources == {}
        assert removal.removed == (("l",) if proxy.dialect == "delta" else ())


class TestMakeBeforeBreak:
    NEW: Table = {"cds": {"b": "b1", "c": "c1"}, "eds": {"c": "ec1"}, "lds": {"l": "l1"}, "rds": {"r": "r2"}}

    def test_routes_wait_until_endpoints_of_new_clusters_are_asked_for(self, proxy: Proxy) -> None:
        proxy.connect()
        pushed = proxy.push(self.NEW)
        assert [each.type for each in pushed] == ["cds"]
        assert proxy.session.waiting
        answered = proxy.ask_more("eds", ("a", "c"), pushed)
        assert said(answered) == [("eds", ("ec1",)), ("rds", ("r2",))]

    def test_clusters_that_go_stay_until_routes_are_answered(self, proxy: Proxy) -> None:
        proxy.connect()
        pushed = proxy.push(self.NEW)
        first = ("a1", "b1", "c1") if proxy.dialect == "sotw" else ("c1",)
        assert said(pushed) == [("cds", first)]
        answered = proxy.ask_more("eds", ("a", "c"), pushed)
        assert proxy.session.waiting
        removal, *later = proxy.ack_all(answered)
        assert removal.type == "cds"
        assert [each.said for each in later] == ([("eds", (), ("a",))] if proxy.dialect == "delta" else [])
        if proxy.dialect == "sotw":
            assert sorted(removal.resources) == ["b1", "c1"]
        else:
            assert (removal.resources, removal.removed) == ({}, ("a",))
        assert not proxy.session.waiting

    def test_patience_ends(self, proxy: Proxy) -> None:
        proxy.connect()
        proxy.push(self.NEW)
        late = [decode(proxy.dialect, each) for each in proxy.session.expire()]
        assert [each.type for each in late][:2] == ["rds", "cds"]
        assert not proxy.session.waiting

    def test_a_newer_push_takes_over(self, proxy: Proxy) -> None:
        proxy.connect()
        proxy.push(self.NEW)
        back = proxy.push(FIRST)
        assert [each.type for each in back] == ["cds"], "what was to go stays, what was new goes"
        assert back[0].removed == (("c",) if proxy.dialect == "delta" else ())

    def test_rejected_clusters_are_not_waited_for(self, proxy: Proxy) -> None:
        proxy.connect()
        pushed = proxy.push(self.NEW)
        answered = proxy.nack(pushed[0], "Error adding/updating cluster(s) c: bad")
        assert [each.type for each in answered] == ["rds"]


def ask_more(self: Proxy, short: str, names: tuple[str, ...], pushed: list[Response]) -> list[Response]:
    """As Envoy asks for endpoints once a cluster is new to it: names change, answered nonce of before."""
    if self.dialect == "delta":
        return self.send(delta_request(short, names[-1:]))
    self.names[short] = names
    watch = self.session.watches[SHORT[short]]
    return self.send(sotw_request(short, names, watch.nonce))


Proxy.ask_more = ask_more  # type: ignore[attr-defined]


class TestRejections:
    BAD: Table = {**FIRST, "lds": {"l": "l2", "m": "m2"}}

    def test_a_rejected_version_is_never_sent_again(self, proxy: Proxy) -> None:
        proxy.connect()
        (pushed,) = proxy.push(self.BAD)
        assert proxy.nack(pushed, "Error adding/updating listener(s) m: bad port") == []
        assert proxy.push({**self.BAD, "eds": {"a": "ea2"}})[0].type == "eds"
        watch = proxy.session.watches[SHORT["lds"]]
        assert watch.rejected["m"].text == "Error adding/updating listener(s) m: bad port"
        assert set(watch.rejected) == {"m"}
        assert sorted(watch.accepted) == ["l"]
        assert watch.accepted["l"].body == b"l2", "Envoy applies the good ones of a response that it rejects"

    def test_its_next_version_is_sent(self, proxy: Proxy) -> None:
        proxy.connect()
        proxy.nack(proxy.push(self.BAD)[0], "listener(s) m: bad port")
        (again,) = proxy.push({**FIRST, "lds": {"l": "l2", "m": "m3"}})
        assert "m3" in again.resources.values()
        proxy.ack(again)
        assert proxy.session.watches[SHORT["lds"]].rejected == {}
        assert proxy.session.watches[SHORT["lds"]].last_error == ""

    def test_state_of_the_world_repeats_the_accepted_version(self) -> None:
        proxy = Proxy("sotw")
        proxy.connect()
        proxy.nack(proxy.push({**FIRST, "lds": {"l": "bad"}})[0], "listener(s) l: bad")
        assert said(proxy.push({**FIRST, "lds": {"l": "bad", "m": "m1"}})) == [("lds", ("l1", "m1"))]

    def test_back_to_the_accepted_version_needs_no_word(self, proxy: Proxy) -> None:
        proxy.connect()
        proxy.nack(proxy.push(self.BAD)[0], "no name")
        assert proxy.push(FIRST) == []

    def test_a_rejection_without_names_tries_each_alone(self, proxy: Proxy) -> None:
        proxy.push({"eds": {"a": "a1", "b": "b1", "c": "c1"}})
        (first,) = proxy.ask("eds", "a", "b", "c")
        (alone,) = proxy.nack(first, "malformed")
        assert said([alone]) == [("eds", ("a1",))]
        (second,) = proxy.ack(alone)
        assert said([second]) == [("eds", ("b1",))]
        (third,) = proxy.nack(second, "malformed")
        assert said([third]) == [("eds", ("c1",))]
        assert proxy.ack(third) == []
        assert set(proxy.session.watches[SHORT["eds"]].rejected) == {"b"}

    def test_a_changed_cluster_brings_its_endpoints_even_if_these_were_rejected(self, proxy: Proxy) -> None:
        proxy.connect()
        proxy.nack(proxy.push({**FIRST, "eds": {"a": "bad"}})[0], "malformed")
        pushed = proxy.push({**FIRST, "cds": {"a": "a2", "b": "b1"}, "eds": {"a": "bad"}})
        assert [each.type for each in pushed] == ["cds", "eds"], "Envoy waits for an answer to warm it"

    def test_delta_later_response_does_not_hide_a_rejection(self) -> None:
        proxy = Proxy("delta")
        proxy.connect()
        (bad,) = proxy.push({**FIRST, "lds": {"l": "bad"}})
        (more,) = proxy.push({**FIRST, "lds": {"l": "bad", "m": "m1"}})
        assert set(more.resources) == {"m"}
        proxy.nack(bad, "listener(s) l: bad")
        proxy.ack(more)
        watch = proxy.session.watches[SHORT["lds"]]
        assert {name: each.body for name, each in watch.accepted.items()} == {"l": b"l1", "m": b"m1"}


class TestStateOfTheWorld:
    def test_versions_are_hashes_of_what_is_held(self) -> None:
        one, other = Proxy("sotw"), Proxy("sotw")
        assert one.ask("cds")[0].version == other.ask("cds")[0].version
        (changed,) = other.push({**FIRST, "cds": {"a": "a2", "b": "b1"}})
        assert changed.version != one.ask("cds")[0].version

    def test_an_answer_to_an_older_response_changes_nothing_but_is_counted(self) -> None:
        proxy = Proxy("sotw")
        proxy.connect()
        (first,) = proxy.push({**FIRST, "rds": {"r": "r2"}})
        (second,) = proxy.push({**FIRST, "rds": {"r": "r3"}})
        proxy.names["rds"] = ("r", "s")
        assert proxy.ack(first) == []
        assert proxy.heard.events[-2:] == [("ack", SHORT["rds"], ("r",)), ("expired", SHORT["rds"], ())]
        assert proxy.session.watches[SHORT["rds"]].subscription.names == {"r"}
        proxy.ack(second)
        assert proxy.session.watches[SHORT["rds"]].subscription.names == {"r", "s"}

    def test_an_endpoint_request_that_looks_like_an_ack_is_taken_as_one(self) -> None:
        """Envoy asks so when a cluster changed; the endpoints are on their way already."""
        proxy = Proxy("sotw")
        proxy.connect()
        before = proxy.session.watches[SHORT["eds"]].nonce
        proxy.push({**FIRST, "cds": {"a": "a2", "b": "b1"}})
        assert proxy.send(sotw_request("eds", ("a",), before)) == []

    def test_fewer_names_are_not_answered_and_more_bring_the_new_ones(self) -> None:
        proxy = Proxy("sotw", {"rds": {"r": "r1", "s": "s1"}})
        (first,) = proxy.ask("rds", "r")
        proxy.names["rds"] = ("r", "s")
        (second,) = proxy.ack(first)
        assert said([second]) == [("rds", ("s1",))]
        proxy.names["rds"] = ("s",)
        assert proxy.ack(second) == []
        assert said(proxy.push({"rds": {"r": "r2", "s": "s1"}})) == []

    def test_a_request_without_nonce_begins_anew(self) -> None:
        proxy = Proxy("sotw")
        proxy.connect()
        assert said(proxy.ask("lds")) == [("lds", ("l1",))]


class TestDelta:
    def test_a_reconnect_brings_only_what_differs(self) -> None:
        held = {name: resource("cds", name, content).version for name, content in (("a", "a1"), ("gone", "g1"))}
        proxy = Proxy("delta")
        (answer,) = proxy.ask("cds", **held)
        assert (set(answer.resources), answer.removed) == ({"b"}, ()), "what is gone waits for the routes"
        proxy.ack(answer)
        proxy.ask("lds")
        (removal,) = [decode("delta", each) for each in proxy.session.expire()]
        assert removal.removed == ("gone",)

    def test_a_reconnect_with_nothing_new_is_answered_empty(self) -> None:
        proxy = Proxy("delta")
        (answer,) = proxy.ask("lds", l=resource("lds", "l", "l1").version)
        assert answer.said == ("lds", (), ())
        assert proxy.session.watches[SHORT["lds"]].accepted["l"].version == resource("lds", "l", "l1").version

    def test_endpoints_come_whatever_a_reconnecting_proxy_holds(self) -> None:
        proxy = Proxy("delta")
        (answer,) = proxy.send(delta_request("eds", ("a",), initial={"a": resource("eds", "a", "ea1").version}))
        assert answer.resources == {"a": "ea1"}, "a cluster may have been left warming"

    def test_a_name_that_is_not_there_is_said_to_be_removed(self) -> None:
        (answer,) = Proxy("delta").ask("rds", "r", "nowhere")
        assert (answer.resources, answer.removed) == ({"r": "r1"}, ("nowhere",))

    def test_a_name_that_is_asked_for_again_is_sent_again(self) -> None:
        proxy = Proxy("delta")
        proxy.connect()
        assert proxy.send(delta_request("rds", unsubscribe=("r",))) == []
        assert said(proxy.push({**FIRST, "rds": {"r": "r2"}})) == []
        assert said(proxy.ask("rds", "r")) == [("rds", ("r2",))]
        assert said(proxy.ask("rds", "r")) == [("rds", ("r2",))]

    def test_the_wildcard_can_be_given_up(self) -> None:
        proxy = Proxy("delta")
        proxy.ack_all(proxy.ask("lds"))
        proxy.send(delta_request("lds", ("l",), ("*",)))
        assert said(proxy.push({**FIRST, "lds": {"l": "l1", "m": "m1"}})) == []

    def test_a_resource_that_vanishes_while_named_is_removed(self) -> None:
        proxy = Proxy("delta")
        proxy.connect()
        (removal,) = proxy.push({**FIRST, "rds": {}})
        assert removal.said == ("rds", (), ("r",))


class TestProbe:
    def test_it_asks_for_an_answer_and_changes_nothing(self, proxy: Proxy) -> None:
        proxy.connect()
        (probe,) = [decode(proxy.dialect, each) for each in proxy.session.probe()]
        assert probe.type == "rds"
        if proxy.dialect == "delta":
            assert probe.said == ("rds", (), ())
        assert proxy.ack(probe) == []

    def test_who_owes_answers_is_not_asked_for_more(self, proxy: Proxy) -> None:
        proxy.ask("lds")
        assert proxy.session.probe() == []


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (b"\xff\xff", "no discovery request"),
        (sotw_request("rds", ("x" * 5000,)), "5000 characters"),
        (sotw_request("rds", tuple(str(number) for number in range(20_001))), "20001 resource names"),
    ],
    ids=["bytes", "long name", "many names"],
)
def test_requests_are_bounded(dialect: Dialect, message: bytes, sentence: str) -> None:
    with pytest.raises(RequestRefused, match=sentence):
        parse_request(dialect, message)


def test_answers_that_never_come_do_not_pile_up() -> None:
    proxy = Proxy("delta")
    proxy.connect()
    for number in range(200):
        proxy.push({**FIRST, "lds": {"l": f"x{number}"}})
    assert len(proxy.session.watches[SHORT["lds"]].outstanding) <= 64
