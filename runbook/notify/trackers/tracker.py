"""What every tracker does: one ticket an incident, opened if it is not there, and found again."""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from runbook.actions import Action, ActionName, Check, Message, Observation, Scope
from runbook.errors import Inconclusive
from runbook.hosts.http import HttpClient, HttpResponse
from runbook.notify.markup import Markup
from runbook.text import beginning

#: As many pages of a list, with 100 tickets each, are read at most.
_MOST_PAGES = 20
#: Clocks differ: a list of what is new since an incident began begins so long before.
_MARGIN = timedelta(days=1)
_GONE = (404, 410)
_LONGEST = 300  # characters of what a tracker says that refuses


class Tracker(ABC):
    """An issue tracker. A ticket is found again by the incident's name, which it holds."""

    #: In what its texts are written.
    markup: Markup
    #: The keys of `[ticket]` that a wrong answer may come from.
    keys = "ticket.url"
    #: As many characters of a title and of a text it takes.
    longest_title, longest_text = 255, 1_000_000
    _url: str
    _headers: Mapping[str, str]

    def __init__(self, http: HttpClient, place: str, deadline: float) -> None:
        """`place` is where in the tracker tickets are; `deadline` the seconds that a new one may take to be listed."""
        self._http = http
        self._place = place
        self._deadline = deadline

    @abstractmethod
    def find(self, incident: str) -> str | None:
        """The address of the ticket of `incident`, open or closed. Raises Inconclusive when nobody tells."""

    @abstractmethod
    def create(self, incident: str, title: str, text: str) -> str:
        """Open it and return its address. Raises Inconclusive when it is not known to be opened."""

    def opening(self, incident: str, title: str, text: str, opened: Callable[[str], None]) -> Action:
        """The change that opens the ticket of `incident`; one that is there counts. `opened` gets its address."""
        address = ""

        def already() -> str | None:
            nonlocal address
            address = self.find(incident) or ""
            return f"ticket {address}" if address else None

        def send() -> str:
            nonlocal address
            try:
                address = self.create(incident, title, text)
            except Inconclusive:
                # The answer may be lost, and the ticket not.
                with suppress(Inconclusive):
                    address = self.find(incident) or ""
                if not address:
                    raise
            return f"ticket {address}"

        return Action(
            ActionName.OPEN_TICKET,
            "the follow-up ticket is opened",
            already=already,
            scope=Scope.PEOPLE,
            resource=self._place,
            message=Message(title, text, send),
            record=lambda: opened(address) if address else None,
        )

    def _fitting(self, title: str, text: str, incident: str) -> tuple[str, str]:
        """Title and text as the tracker takes them; `incident` is the line by which the ticket is found again."""
        end = f"\n\n{incident}\n"
        if len(text) + len(end) > self.longest_text:
            end = f"\n\n{self.markup.text('The rest is in the record.')}{end}"
            # Whole lines: half a line may be half a piece of markup, or half a secret.
            text = text[: self.longest_text - len(end)].rpartition("\n")[0]
        return title if len(title) <= self.longest_title else beginning(title, self.longest_title - 2), text + end

    def listed(self, incident: str, known: str = "") -> Check:
        """That the tracker lists the ticket of `incident`, or has the one that is `known`, an address on record.

        A search may be behind (Jira Cloud's), and labels may have been dropped that the token may not set (GitHub).
        """

        def observe() -> Observation:
            if address := self.find(incident):
                return Observation(ok=True, seen=f"ticket {address}")
            there = bool(known) and self._has(known, incident)
            return Observation(there, f"ticket {known}, not in the list itself" if there else "no such ticket")

        return Check("the tracker to list the ticket", observe, "open the ticket by hand", self._deadline)

    def _has(self, known: str, incident: str) -> bool:
        url = self._issue(quote(known.rpartition("/")[2], safe=""))
        answer = self._ask("GET", url, self._headers, wanted=(200, *_GONE))
        return answer.status not in _GONE and names(answer.body, incident)

    def _issue(self, name: str) -> str:
        """Where the tracker's API has the ticket that is called so at the end of its address."""
        return f"{self._url}/{name}"

    def _listing(
        self, url: str, headers: Mapping[str, str], query: Mapping[str, str], more: Callable[[Mapping[str, str]], bool]
    ) -> Iterator[dict[str, Any]]:
        """Each ticket of a list, page by page; `more` tells from an answer's headers whether another page follows."""
        for page in range(1, _MOST_PAGES + 1):
            asked = urlencode({**query, "per_page": 100, "page": page})
            answer = self._ask("GET", f"{url}?{asked}", headers)
            found = answer.json()
            if not isinstance(found, list):
                raise not_a_list(found)
            yield from (each for each in found if isinstance(each, dict))
            if not more(answer.headers):
                return
        raise Inconclusive(
            f"the tracker lists more than {_MOST_PAGES * 100} tickets since the incident began, and none read so far is"
            " this incident's",
            "look for it by hand; or give ticket.labels one that nothing else has",
        )

    def _ask(
        self, method: str, url: str, headers: Mapping[str, str], body: Any = None, *, wanted: Collection[int] = (200,)
    ) -> HttpResponse:
        answer = self._http.send(method, url, {"Accept": "application/json", **headers}, body)
        if answer.status not in wanted:
            expected = min(wanted) if len(wanted) == 1 else f"{min(wanted)} to {max(wanted)}"
            said = f": {beginning(answer.body, _LONGEST)}" if answer.body.strip() else ""
            raise Inconclusive(
                f"the tracker answered {answer.status} where {expected} was expected{said}",
                f"check {self.keys} and the secret that ticket.token names",
            )
        return answer


def not_a_list(found: object) -> Inconclusive:
    """The error for an answer that is no list of tickets: whether there is one is not known then."""
    return Inconclusive(
        f"the tracker answered with {beginning(json.dumps(found), 80)} where a list of tickets was expected",
        "look for the ticket in the tracker by hand",
    )


def names(text: object, incident: str) -> bool:
    """Tell whether a ticket's text names `incident`, and not only another whose name begins with its."""
    return re.search(rf"(?<![\w-]){re.escape(incident)}(?![\w-])", str(text or "")) is not None


def since(incident: str) -> str:
    """From when on the ticket of `incident`, whose name begins with when it began, can have been opened (UTC)."""
    try:
        began = datetime.strptime(incident.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        began = datetime.fromtimestamp(0, UTC) + _MARGIN
    return (began - _MARGIN).strftime("%Y-%m-%dT%H:%M:%SZ")


def member(found: Any, name: str) -> str:
    """A member of a receipt. Raises Inconclusive when it has none: whether there is a ticket is not known then."""
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise Inconclusive("the tracker gave no receipt for the ticket", "look for it in the tracker by hand")
    return value
