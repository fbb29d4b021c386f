"""Announcements in the incident channel, sent through Apprise."""

import logging

from pydantic import SecretStr

from runbook.actions import Action, ActionName, Message, Scope
from runbook.errors import Inconclusive, SettingsError
from runbook.hosts.in_time import within
from runbook.settings.people import Turn

# Both log the addresses, which contain passwords.
for _name in ("apprise", "urllib3"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

#: The deadlines allowed for one message, in multiples of one answer's: some chats require a login first.
_REQUESTS = 3
#: Apprise's message type of each turn.
_KINDS = {
    Turn.STARTED: "info",
    Turn.DECISION_NEEDED: "warning",
    Turn.HELD: "warning",
    Turn.FAILED: "failure",
    Turn.INTERRUPTED: "failure",
    Turn.TRAFFIC_RESUMED: "info",
    Turn.DONE: "success",
}


class Channel:
    """The incident channel behind one Apprise URL, which is a secret."""

    def __init__(self, url: SecretStr, deadline: float) -> None:
        """`deadline` is in seconds. Raises SettingsError when Apprise does not know the kind of address."""
        # Imported only here because it is slow, and a plan sends nothing.
        import apprise  # noqa: PLC0415

        self._sender = apprise.Apprise()
        # A redirect may lead to a sign-in page, whose 200 would look like a receipt.
        asset = apprise.AppriseAsset(async_mode=False, http_redirects=False)
        address, options = url.get_secret_value().strip(), f"cto={deadline:g}&rto={deadline:g}"
        if "overflow=" not in address:  # else a chat may refuse a long message
            options += "&overflow=split"
        address += f"{'&' if '?' in address else '?'}{options}"
        notifier = apprise.Apprise.instantiate(address, asset=asset, suppress_exceptions=True)
        if notifier is None:
            raise SettingsError(
                "the secret that announcement.url names is not an Apprise address",
                "see the Apprise documentation for the address of your chat",
            )
        self._sender.add(notifier)
        self.service = str(notifier.service_name)
        self._deadline, self._pause = _REQUESTS * deadline, float(notifier.request_rate_per_sec)
        self._longest_part = int(notifier.body_maxlen)

    def send(self, turn: Turn, title: str, text: str) -> str:
        """Send one message and return the receipt. Raises Inconclusive when the channel does not accept it."""

        def notify() -> bool:
            # Declared as plain text, it is escaped by Apprise for chats that take Markdown or HTML.
            kind = _KINDS[turn]
            return bool(self._sender.notify(title=title, body=text, notify_type=kind, body_format="text"))

        # Apprise pauses between the parts. An escaped text may be twice as long.
        pauses = self._pause * (2 * len(text) // self._longest_part)
        try:
            accepted = within(self._deadline + pauses, notify)
        except TimeoutError as error:
            raise Inconclusive(
                f"the incident channel ({self.service}) gave no answer: {error}",
                "check whether the announcement arrived, and tell people by hand if it did not",
            ) from None
        if not accepted:
            raise Inconclusive(
                f"the announcement was not accepted by the incident channel ({self.service})",
                "tell people by hand, and check the secret that announcement.url names",
            )
        return f"accepted by the incident channel ({self.service}): {title}"

    def announcing(self, title: str, text: str, head: str = "", what: str = "the rollback", kind: str = "") -> Action:
        """Return the change that announces that `what` is done. `head` is the journal's head hash in the text.

        `kind` distinguishes it from other announcements of the same incident.
        """
        return Action(
            ActionName.ANNOUNCE,
            f"{what} is announced",
            scope=Scope.PEOPLE,
            resource=self.service,
            new=kind or None,
            message=Message(title, text, lambda: self.send(Turn.DONE, title, text), head),
        )
