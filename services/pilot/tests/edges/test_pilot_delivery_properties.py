"""Any sequence of changes, with messages under way in both directions, against a model of Envoy.

The model follows what the real one was seen to do (pilot.md 3.1): clusters with endpoints warm until these come and
hold back the ACK, changed ones are not asked for again in delta, removals act at once.
"""

from collections import deque

from hypothesis import given, settings
from hypothesis import strategies as st

from flotilla_pilot.delivery.request import Dialect, parse_request
from flotilla_pilot.delivery.session import Session
from flotilla_pilot.delivery.watch import Sent
from flotilla_pilot.testing.discovery import Response, Table, compiled, decode, delta_request, sotw_request
from flotilla_shared.testing.properties import examples

ROUTE = "r"


class Deaf:
    """An observer that remembers what was rejected."""

    def __init__(self) -> None:
        self.refused: set[tuple[str, str, str]] = set()
        self.again: list[tuple[str, str, str]] = []

    def sent(self, sent: Sent) -> None:
        news = {(sent.type_url, name, each.version) for name, each in sent.news.items()}
        self.again += sorted(news & self.refused)

    def acknowledged(self, sent: Sent) -> None:
        pass

    def rejected(self, sent: Sent, text: str) -> None:
        self.refused |= {
            (sent.type_url, name, each.version) for name, each in sent.news.items() if f" {name}: " in text
        }

    def expired(self, type_url: str) -> None:
        pass


class ModelEnvoy:
    """Bodies are `name:content`; a cluster whose name begins with e has endpoints; a route's content is its cluster.

    Listeners whose content begins with `bad` are refused.
    """

    def __init__(self, dialect: Dialect, session: Session) -> None:
        self.dialect: Dialect = dialect
        self.session = session
        self.inbox: deque[Response] = deque()
        self.outbox: deque[bytes] = deque()
        self.active: dict[str, str] = {}
        self.warming: dict[str, str] = {}
        self.endpoints: dict[str, str] = {}
        self.listeners: dict[str, str] = {}
        self.route = ""
        self.withheld: list[Response] = []
        self.versions: dict[str, str] = {}
        self.nonces: dict[str, str] = {}
        self.lost_requests: list[str] = []
        self._ask("cds")

    def take(self, messages: list[bytes]) -> None:
        self.inbox += [decode(self.dialect, each) for each in messages]

    def speak(self) -> None:
        """The server hears one message."""
        self.take(self.session.request(parse_request(self.dialect, self.outbox.popleft())))

    def listen(self) -> None:
        """One response is applied."""
        response = self.inbox.popleft()
        self.nonces[response.type] = response.nonce
        getattr(self, f"_{response.type}")(response, _by_name(response))
        if self.route and self.route not in self.active:
            self.lost_requests.append(f"the route goes to {self.route}, active are {sorted(self.active)}")

    def _cds(self, response: Response, found: dict[str, str]) -> None:
        removed = response.removed if self.dialect == "delta" else set(self._clusters()) - set(found)
        changed = {name: content for name, content in found.items() if self._clusters().get(name) != content}
        new = [name for name in changed if name.startswith("e") and name not in self._clusters()]
        for name in removed:
            self.active.pop(name, None)
            self.warming.pop(name, None)
            self.endpoints.pop(name, None)
        for name, content in changed.items():
            (self.warming if name.startswith("e") else self.active)[name] = content
        gone = tuple(name for name in removed if name.startswith("e"))
        if self.dialect == "delta":
            if new or gone:
                self.outbox.append(delta_request("eds", tuple(new), gone))
        elif new or gone or any(name.startswith("e") for name in changed):
            self._ask("eds")
        self.withheld.append(response)
        self._acknowledge_clusters()
        self._ask_listeners()

    def _clusters(self) -> dict[str, str]:
        return {**self.active, **self.warming}

    def _acknowledge_clusters(self) -> None:
        while self.withheld and not self.warming:
            self._ack(self.withheld.pop(0))

    def _eds(self, response: Response, found: dict[str, str]) -> None:
        for name, content in found.items():
            if name in self._clusters():
                self.endpoints[name] = content
            if name in self.warming:
                self.active[name] = self.warming.pop(name)
        self._ack(response)
        self._acknowledge_clusters()
        self._ask_listeners()

    def _ask_listeners(self) -> None:
        if not self.warming and "asked" not in self.versions:
            self.versions["asked"] = "yes"
            self._ask("lds")

    def _lds(self, response: Response, found: dict[str, str]) -> None:
        bad = sorted(name for name, content in found.items() if content.startswith("bad"))
        if self.dialect == "sotw":
            kept = {name: content for name, content in self.listeners.items() if name in found}
            self.listeners = kept
        for name in response.removed:
            self.listeners.pop(name, None)
        self.listeners.update({name: content for name, content in found.items() if name not in bad})
        if bad:
            self._nack(response, "Error adding/updating listener(s)" + "".join(f" {name}: no\n" for name in bad))
        else:
            self._ack(response)
        if "route" not in self.versions:
            self.versions["route"] = "asked"
            self._ask("rds")

    def _rds(self, response: Response, found: dict[str, str]) -> None:
        self.route = found.get(ROUTE, self.route)
        self._ack(response)

    def _names(self, short: str) -> tuple[str, ...]:
        if short == "eds":
            return tuple(sorted(name for name in self._clusters() if name.startswith("e")))
        return (ROUTE,) if short == "rds" else ()

    def _ask(self, short: str) -> None:
        if self.dialect == "delta":
            self.outbox.append(delta_request(short, self._names(short)))
        else:
            nonce, version = self.nonces.get(short, ""), self.versions.get(short, "")
            self.outbox.append(sotw_request(short, self._names(short), nonce, version))

    def _ack(self, response: Response) -> None:
        self._answer(response, "")
        self.versions[response.type] = response.version

    def _nack(self, response: Response, text: str) -> None:
        self._answer(response, text)

    def _answer(self, response: Response, error: str) -> None:
        short = response.type
        if self.dialect == "delta":
            self.outbox.append(delta_request(short, nonce=response.nonce, error=error))
        else:
            version = self.versions.get(short, "") if error else response.version
            self.outbox.append(sotw_request(short, self._names(short), response.nonce, version, error))


def _by_name(response: Response) -> dict[str, str]:
    pairs = [body.partition(":") for body in response.resources.values()]
    return {name: content for name, _, content in pairs}


CLUSTERS = ["e1", "e2", "e3", "s1", "s2"]
contents = st.sampled_from(["1", "2"])


@st.composite
def tables(draw: st.DrawFn, listeners: st.SearchStrategy[str] = contents) -> Table:
    """A mesh in which the route goes to a cluster that there is, and clusters with endpoints have them."""
    clusters = draw(st.dictionaries(st.sampled_from(CLUSTERS), contents, min_size=1))
    route = draw(st.sampled_from(sorted(clusters)))
    names = draw(st.dictionaries(st.sampled_from(["l1", "l2"]), listeners))
    return {
        "cds": {name: f"{name}:{content}" for name, content in clusters.items()},
        "eds": {name: f"{name}:{draw(contents)}" for name in clusters if name.startswith("e")},
        "lds": {name: f"{name}:{content}" for name, content in names.items()},
        "rds": {ROUTE: f"{ROUTE}:{route}"},
    }


Steps = list[str]
steps = st.lists(st.sampled_from(["push", "speak", "speak", "listen", "listen"]), max_size=60)
dialects: st.SearchStrategy[Dialect] = st.sampled_from(["sotw", "delta"])


def run(dialect: Dialect, meshes: list[Table], moves: Steps) -> tuple[ModelEnvoy, Deaf, Table]:
    """Play the moves, then let everything that is under way arrive."""
    observer = Deaf()
    session = Session(dialect, observer)
    envoy = ModelEnvoy(dialect, session)
    waiting = deque(meshes)
    current = waiting.popleft()
    envoy.take(session.push("v0", compiled(current)))
    for number, move in enumerate(moves):
        if move == "push" and waiting:
            current = waiting.popleft()
            envoy.take(session.push(f"v{number + 1}", compiled(current)))
        elif move == "speak" and envoy.outbox:
            envoy.speak()
        elif move == "listen" and envoy.inbox:
            envoy.listen()
    for _ in range(1000):
        if not envoy.outbox and not envoy.inbox:
            break
        if envoy.inbox:
            envoy.listen()
        else:
            envoy.speak()
    return envoy, observer, current


@given(dialects, st.lists(tables(), min_size=1, max_size=8), steps)
@settings(max_examples=examples(400), deadline=None)
def test_it_arrives_and_no_request_is_lost_on_the_way(dialect: Dialect, meshes: list[Table], moves: Steps) -> None:
    envoy, _, last = run(dialect, meshes, moves)
    assert not envoy.session.waiting, "without a rejection nothing waits for its patience to end"
    assert not envoy.warming
    assert envoy.withheld == []
    assert {name: f"{name}:{content}" for name, content in envoy.active.items()} == last["cds"]
    assert {name: f"{name}:{content}" for name, content in envoy.endpoints.items()} == last["eds"]
    assert {name: f"{name}:{content}" for name, content in envoy.listeners.items()} == last["lds"]
    assert f"{ROUTE}:{envoy.route}" == last["rds"][ROUTE]
    assert envoy.lost_requests == []


@given(dialects, st.lists(tables(st.sampled_from(["1", "2", "bad1", "bad2"])), min_size=1, max_size=8), steps)
@settings(max_examples=examples(300), deadline=None)
def test_what_was_rejected_never_comes_again_and_the_rest_arrives(
    dialect: Dialect, meshes: list[Table], moves: Steps
) -> None:
    envoy, observer, last = run(dialect, meshes, moves)
    assert observer.again == []
    good = {name: body for name, body in last["lds"].items() if ":bad" not in body}
    held = {name: f"{name}:{content}" for name, content in envoy.listeners.items()}
    assert {name: body for name, body in held.items() if name in good} == good
    assert set(held) <= set(last["lds"])
    assert {name: f"{name}:{content}" for name, content in envoy.active.items()} == last["cds"]
