"""The base of all trackers: one ticket per incident, opened if it does not exist, and found again."""

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

#: The most pages of a list that are read, with 100 tickets each.
_MOST_PAGES = 20
#: Clocks differ: a list of tickets since the incident's beginning starts this much earlier.
_MARGIN = timedelta(days=1)
_GONE = (404, 410)
_LONGEST = 300  # characters of a tracker's refusal


class Tracker(ABC):
    """An issue tracker. A ticket is found again by the incident's name in it."""

    #: The markup of its texts.
    markup: Markup
    #: The keys of `[ticket]` to check after an unexpected answer.
    keys = "ticket.url"
    #: The most characters of a title, and of a text.
    longest_title, longest_text = 255, 1_000_000
    _url: str
    _headers: Mapping[str, str]

    def __init__(self, http: HttpClient, place: str, deadline: float) -> None:
        """`place` is the tracker's project. `deadline` is the seconds within which a new ticket must be listed."""
        self._http = http
        self._place = place
        self._deadline = deadline

    @abstractmethod
    def find(self, incident: str) -> str | None:
        """Return the URL of the ticket of `incident`, open or closed, or None. Raises Inconclusive when unknown."""

    @abstractmethod
    def create(self, incident: str, title: str, text: str) -> str:
        """Open the ticket and return its URL. Raises Inconclusive when it is unknown whether it was opened."""

    def opening(self, incident: str, title: str, text: str, opened: Callable[[str], None]) -> Action:
        """Return the change that opens the ticket of `incident`, unless it exists. `opened` receives its URL."""
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
                # The ticket may exist although the answer was lost.
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
        """Return title and text within the tracker's limits. `incident` is the line by which the ticket is found."""
        end = f"\n\n{incident}\n"
        if len(text) + len(end) > self.longest_text:
            end = f"\n\n{self.markup.text('The rest is in the record.')}{end}"
            # Only whole lines: a cut line may have broken markup, or half a secret.
            text = text[: self.longest_text - len(end)].rpartition("\n")[0]
        return title if len(title) <= self.longest_title else beginning(title, self.longest_title - 2), text + end

    def listed(self, incident: str, known: str = "") -> Check:
        """Check that the tracker lists the ticket of `incident`, or has the `known` one, a recorded URL.

        A search may lag (Jira Cloud), and a tracker may drop labels that the token may not set (GitHub).
        """

        def observe() -> Observation:
            if address := self.find(incident):
                return Observation(ok=True, seen=f"ticket {address}")
            there = bool(known) and self._has(known, incident)
            return Observation(there, f"ticket {known}, but not in the list" if there else "no such ticket")

        return Check("the tracker to list the ticket", observe, "open the ticket by hand", self._deadline)

    def _has(self, known: str, incident: str) -> bool:
        url = self._issue(quote(known.rpartition("/")[2], safe=""))
        answer = self._ask("GET", url, self._headers, wanted=(200, *_GONE))
        return answer.status not in _GONE and names(answer.body, incident)

    def _issue(self, name: str) -> str:
        """Return the API's URL of the ticket, by the last part of its public URL."""
        return f"{self._url}/{name}"

    def _listing(
        self, url: str, headers: Mapping[str, str], query: Mapping[str, str], more: Callable[[Mapping[str, str]], bool]
    ) -> Iterator[dict[str, Any]]:
        """Yield each ticket of a list, page by page. `more` tells from the headers whether another page follows."""
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
            "look for it by hand; or add a label to ticket.labels that no other ticket has",
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
    """Return the error for an answer that is not a list of tickets: it is unknown whether the ticket exists."""
    return Inconclusive(
        f"the tracker answered with {beginning(json.dumps(found), 80)} where a list of tickets was expected",
        "look for the ticket in the tracker by hand",
    )


def names(text: object, incident: str) -> bool:
    """Tell whether a ticket's text has the name of `incident`, not only a longer name that contains it."""
    return re.search(rf"(?<![\w-]){re.escape(incident)}(?![\w-])", str(text or "")) is not None


def since(incident: str) -> str:
    """Return the earliest time (UTC) of the ticket of `incident`, from the time in its name."""
    try:
        began = datetime.strptime(incident.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        began = datetime.fromtimestamp(0, UTC) + _MARGIN
    return (began - _MARGIN).strftime("%Y-%m-%dT%H:%M:%SZ")


def member(found: Any, name: str) -> str:
    """Return a member of a receipt. Raises Inconclusive without it: it is unknown whether the ticket exists."""
    value = found.get(name) if isinstance(found, dict) else None
    if not isinstance(value, str) or not value:
        raise Inconclusive("the tracker gave no receipt for the ticket", "look for it in the tracker by hand")
    return value
